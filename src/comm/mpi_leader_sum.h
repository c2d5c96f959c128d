// Sums between nodes: one rank of each speaks for the ranks on it. Included only by comm/mpi_*.cpp.
#pragma once

#include "comm/communicator.h"

#include <mpi.h>

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace regatta {

/// What a piece of an array belongs to. Ranks whose labels differ have begun different sums.
struct SumLabel {
  std::int64_t sum;    ///< number of the sum, from 1
  std::int64_t bytes;  ///< of the whole array
  std::int64_t type;   ///< a ReduceType
  bool operator==(const SumLabel&) const = default;
};

/// "4096 bytes of float32, the 7th"
std::string describe(const SumLabel& label);

/// Bytes [first, first + second) of `bytes` that part `part` of `parts` adds up: whole cache lines,
/// so that no two write one; the last parts may be empty.
std::pair<std::int64_t, std::int64_t> share_of(std::int64_t bytes,
                                               std::int64_t parts,
                                               std::int64_t part);

/// The leaders' part of a sum in two levels. Each leader adds up a share of every piece for all:
/// two messages to and from every other leader a piece. Of a short one each adds up the whole: one
/// message. Values are added in the order of nodes. Nothing here waits, and nothing is allocated
/// but `kUnderWay` pieces.
class LeaderSum {
 public:
  static constexpr std::int64_t kUnderWay = 4;  ///< pieces at a time

  /// `leaders`: one rank of each node; duplicated. Collective. Throws Error(kCommunication).
  LeaderSum(MPI_Comm leaders, std::int64_t piece_bytes);
  ~LeaderSum();
  LeaderSum(const LeaderSum&) = delete;
  LeaderSum& operator=(const LeaderSum&) = delete;

  /// Tells the other nodes which sum this one begins, in the order in which programs start them.
  void announce(const SumLabel& label);
  /// Throws Error(kCommunication) where nodes are known to have begun different sums.
  void check_announcements();
  /// Starts to add up `bytes` at `data`, a piece of the sum of that label, over the nodes in place.
  void start(const SumLabel& label, std::byte* data, std::int64_t bytes);
  /// Moves what was started on; whether the oldest piece is complete, which then is forgotten.
  bool finish_oldest();

 private:
  /// Agreement by maxima: of the label's numbers, and of their negatives for the least.
  struct Announcement {
    SumLabel label;
    std::array<std::int64_t, 6> extremes;
    MPI_Request request;
  };
  struct Piece {
    std::byte* data;
    std::int64_t bytes;
    ReduceType type;
    int tag;
    bool whole;   ///< every leader's share is all of it
    bool summed;  ///< this leader's share; unless whole it is on its way to the others
    std::byte* received;
    std::vector<MPI_Request> requests;
  };

  /// Of a piece, what `node` adds up.
  std::span<std::byte> share(const Piece& piece, int node) const;
  /// Where another node's values of this one's share arrive.
  std::span<std::byte> received(const Piece& piece, int node) const;
  /// A message of each other node to `place(node)`, and `mine(node)` to it.
  template <class Place, class Mine>
  void exchange(Piece& piece, int tag, Place place, Mine mine);
  bool complete(Piece& piece);
  void add_share(Piece& piece);
  /// Adds up the shares of pieces that have arrived.
  void advance();

  MPI_Comm labels_ = MPI_COMM_NULL;
  MPI_Comm pieces_ = MPI_COMM_NULL;
  int rank_ = -1, size_ = 0;
  std::deque<Announcement> announcements_;
  std::vector<std::byte> received_;  ///< shares of the others' pieces
  std::deque<Piece> under_way_;
  std::int64_t started_ = 0;
};

}  // namespace regatta
