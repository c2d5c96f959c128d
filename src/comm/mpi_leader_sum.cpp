// Sums between the leaders of nodes by messages: shares are scattered, added up, and gathered.
#include "comm/mpi_leader_sum.h"

#include "comm/mpi_check.h"
#include "comm/sum_in_order.h"
#include "core/error.h"

#include <algorithm>

namespace regatta {
namespace {

constexpr std::int64_t kShort = 64 << 10;  ///< bytes of all nodes' pieces together

/// Messages of different sums do not meet: such ranks wait for the watchdog, if no announcement
/// tells before. Within the 15 bits that every MPI has.
int tag_of(const SumLabel& label) {
  const auto mixed = static_cast<std::uint64_t>(label.sum * 31 + label.bytes * 7 + label.type) *
                     0x9E3779B97F4A7C15U;
  return static_cast<int>(mixed >> 50) * 2;
}

SumLabel label_of(const std::int64_t* numbers, std::int64_t sign) {
  return {sign * numbers[0], sign * numbers[1], sign * numbers[2]};
}

}  // namespace

std::string describe(const SumLabel& label) {
  const char* type = label.type == static_cast<std::int64_t>(ReduceType::kInt64)     ? "int64"
                     : label.type == static_cast<std::int64_t>(ReduceType::kFloat32) ? "float32"
                                                                                     : "float64";
  return fmt::format("{} bytes of {}, the {}th", label.bytes, type, label.sum);
}

std::pair<std::int64_t, std::int64_t> share_of(std::int64_t bytes,
                                               std::int64_t parts,
                                               std::int64_t part) {
  const std::int64_t each = ((bytes + parts - 1) / parts + 63) / 64 * 64;
  const std::int64_t begin = std::min(bytes, each * part);
  return {begin, std::min(bytes, begin + each) - begin};
}

LeaderSum::LeaderSum(MPI_Comm leaders, std::int64_t piece_bytes) {
  REGATTA_MPI(-1, MPI_Comm_rank(leaders, &rank_));
  REGATTA_MPI(rank_, MPI_Comm_size(leaders, &size_));
  REGATTA_MPI(rank_, MPI_Comm_dup(leaders, &labels_));
  REGATTA_MPI(rank_, MPI_Comm_dup(leaders, &pieces_));
  // Shares are whole cache lines.
  received_.resize(static_cast<std::size_t>(kUnderWay * (piece_bytes + 64 * size_)));
}

LeaderSum::~LeaderSum() {
  for (Announcement& of : announcements_)
    REGATTA_MPI_NO_THROW(rank_, MPI_Wait(&of.request, MPI_STATUS_IGNORE));
  REGATTA_MPI_NO_THROW(rank_, MPI_Comm_free(&labels_));
  REGATTA_MPI_NO_THROW(rank_, MPI_Comm_free(&pieces_));
}

void LeaderSum::announce(const SumLabel& label) {
  Announcement& mine = announcements_.emplace_back();
  mine.label = label;
  mine.extremes = {label.sum, label.bytes, label.type, -label.sum, -label.bytes, -label.type};
  REGATTA_MPI(rank_,
              MPI_Iallreduce(MPI_IN_PLACE,
                             mine.extremes.data(),
                             static_cast<int>(mine.extremes.size()),
                             MPI_INT64_T,
                             MPI_MAX,
                             labels_,
                             &mine.request));
}

void LeaderSum::check_announcements() {
  while (!announcements_.empty()) {
    Announcement& oldest = announcements_.front();
    int complete = 0;
    REGATTA_MPI(rank_, MPI_Test(&oldest.request, &complete, MPI_STATUS_IGNORE));
    if (complete == 0)
      return;
    const SumLabel most = label_of(oldest.extremes.data(), 1);
    const SumLabel least = label_of(oldest.extremes.data() + 3, -1);
    if (most != least) {
      fail(ExitCode::kCommunication,
           "node {}: collectives that do not meet: its sum of {}, all nodes' between {} and {} "
           "bytes. The ranks do not run the same program on the same configuration",
           rank_,
           describe(oldest.label),
           least.bytes,
           most.bytes);
    }
    announcements_.pop_front();
  }
}

std::span<std::byte> LeaderSum::share(const Piece& piece, int node) const {
  if (piece.whole)
    return {piece.data, static_cast<std::size_t>(piece.bytes)};
  const auto [begin, bytes] = share_of(piece.bytes, size_, node);
  return {piece.data + begin, static_cast<std::size_t>(bytes)};
}

std::span<std::byte> LeaderSum::received(const Piece& piece, int node) const {
  const std::size_t bytes = share(piece, rank_).size();
  return {piece.received + bytes * static_cast<std::size_t>(node < rank_ ? node : node - 1), bytes};
}

template <class Place, class Mine>
void LeaderSum::exchange(Piece& piece, int tag, Place place, Mine mine) {
  for (int i = 1; i < size_; ++i) {
    const int node = (rank_ + size_ - i) % size_;
    const std::span<std::byte> to = place(node);
    if (!to.empty())
      REGATTA_MPI(rank_,
                  MPI_Irecv(to.data(),
                            static_cast<int>(to.size()),
                            MPI_BYTE,
                            node,
                            tag,
                            pieces_,
                            &piece.requests.emplace_back()));
  }
  for (int i = 1; i < size_; ++i) {
    const int node = (rank_ + i) % size_;  // not all to one at first
    const std::span<const std::byte> from = mine(node);
    if (!from.empty())
      REGATTA_MPI(rank_,
                  MPI_Isend(from.data(),
                            static_cast<int>(from.size()),
                            MPI_BYTE,
                            node,
                            tag,
                            pieces_,
                            &piece.requests.emplace_back()));
  }
}

void LeaderSum::start(const SumLabel& label, std::byte* data, std::int64_t bytes) {
  const std::size_t ring = static_cast<std::size_t>(started_++ % kUnderWay);
  under_way_.push_back({data,
                        bytes,
                        static_cast<ReduceType>(label.type),
                        tag_of(label),
                        bytes * size_ <= kShort,
                        false,
                        received_.data() + ring * (received_.size() / kUnderWay),
                        {}});
  Piece& piece = under_way_.back();
  exchange(
      piece,
      piece.tag,
      [&](int node) { return received(piece, node); },
      [&](int node) { return share(piece, node); });
}

bool LeaderSum::complete(Piece& piece) {
  int all = 0;
  REGATTA_MPI(rank_,
              MPI_Testall(static_cast<int>(piece.requests.size()),
                          piece.requests.data(),
                          &all,
                          MPI_STATUSES_IGNORE));
  return all != 0;
}

void LeaderSum::add_share(Piece& piece) {
  const std::span<std::byte> mine = share(piece, rank_);
  std::vector<const std::byte*> from;
  for (int node = 0; node < size_; ++node)
    from.push_back(node == rank_ ? mine.data() : received(piece, node).data());
  sum_in_order(piece.type, mine.data(), from, static_cast<std::int64_t>(mine.size()));
  piece.requests.clear();
  piece.summed = true;
  if (piece.whole)
    return;
  exchange(
      piece,
      piece.tag + 1,
      [&](int node) { return share(piece, node); },
      [&](int) { return mine; });
}

void LeaderSum::advance() {
  // In order, as messages of one tag between two ranks meet in the order of both their programs.
  for (Piece& piece : under_way_) {
    if (piece.summed)
      continue;
    if (!complete(piece))
      return;
    add_share(piece);
  }
}

bool LeaderSum::finish_oldest() {
  advance();
  if (!under_way_.front().summed || !complete(under_way_.front()))
    return false;
  under_way_.pop_front();
  return true;
}

}  // namespace regatta
