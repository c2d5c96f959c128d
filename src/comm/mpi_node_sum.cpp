// A ring of slots a rank in an MPI-3 shared window, and counters that say how far each rank is.
#include "comm/mpi_node_sum.h"

#include "comm/mpi_check.h"
#include "comm/mpi_leader_sum.h"
#include "comm/sum_in_order.h"
#include "core/error.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <new>
#include <sched.h>
#include <string>
#include <vector>

namespace regatta {
namespace {

// All slots of a node stay in its last-level cache, and a slot pays for its hand-over.
constexpr std::int64_t kSlotBytes = 256 << 10;
constexpr std::int64_t kSlots = LeaderSum::kUnderWay;
// Of ranks that are alone on their nodes: messages long enough for their rate, short enough to
// overlap.
constexpr std::int64_t kAlonePieceBytes = 1 << 20;
// From this many ranks on each sums a share of a piece for all: two hand-overs, but less to read.
constexpr int kShareFrom = 3;
constexpr int kLeader = 0;   ///< of a node
constexpr int kSpins = 200;  ///< polls between two looks into MPI

/// Pieces a rank has dealt with, counted over all sums; each on a cache line of its own.
struct Counters {
  alignas(64) std::atomic<std::int64_t> filled;   ///< copied into its slots
  alignas(64) std::atomic<std::int64_t> summed;   ///< its share added up, in its own slot
  alignas(64) std::atomic<std::int64_t> crossed;  ///< by a leader: added up over the nodes
  alignas(64) std::atomic<std::int64_t> taken;    ///< read all that it needs from others' slots
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

constexpr std::size_t kLabelBytes = (kSlots * sizeof(SumLabel) + 63) / 64 * 64;

/// A piece of an array, on its way through a slot.
struct Piece {
  std::byte* data;
  std::int64_t bytes;
  ReduceType type;
  SumLabel label;
};

class SharedWindowSum final : public NodeSum {
 public:
  /// `leaders`: null where all ranks are on one node, else MPI_COMM_NULL on ranks that do not lead.
  SharedWindowSum(MPI_Comm node, MPI_Win window, const MPI_Comm* leaders, std::int64_t piece_bytes);
  ~SharedWindowSum() override {
    REGATTA_MPI_NO_THROW(rank_, MPI_Win_unlock_all(window_));
    REGATTA_MPI_NO_THROW(rank_, MPI_Win_free(&window_));
  }
  SharedWindowSum(const SharedWindowSum&) = delete;
  SharedWindowSum& operator=(const SharedWindowSum&) = delete;

  std::unique_ptr<Work> start(void* data, std::int64_t count, ReduceType type) override;
  void progress() override {
    while (step()) {
    }
  }
  void finish_all() override { wait_for(end_); }
  bool complete(std::int64_t piece) const { return taken_ >= piece; }
  /// Until all pieces before `piece` are complete.
  void wait_for(std::int64_t piece);
  void let_mpi_move_on() {
    int arrived = 0;
    REGATTA_MPI(rank_, MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, node_, &arrived, MPI_STATUS_IGNORE));
  }

 private:
  bool all_beyond(std::atomic<std::int64_t> Counters::*counter, std::int64_t piece) const {
    return std::all_of(counters_.begin(), counters_.end(), [&](const Counters* of_rank) {
      return (of_rank->*counter).load(std::memory_order_acquire) > piece;
    });
  }
  std::byte* slot(std::size_t rank, std::int64_t piece) const {
    return slots_[rank] + piece % kSlots * kSlotBytes;
  }
  /// Where the node's sum of a piece lies, of several nodes.
  std::byte* sum_of_node(std::int64_t piece) {
    return alone_ ? at(piece).data : slot(kLeader, piece);
  }
  Piece& at(std::int64_t piece) { return pieces_[static_cast<std::size_t>(piece - taken_)]; }
  /// What of a piece `rank` sums.
  std::pair<std::int64_t, std::int64_t> share(std::int64_t bytes, std::size_t rank) const {
    return share_of(
        bytes, static_cast<std::int64_t>(slots_.size()), static_cast<std::int64_t>(rank));
  }
  /// Throws Error(kCommunication) where the ranks' pieces are of different sums.
  void check_labels(std::int64_t piece) const;
  bool ready_to_take() const;
  bool step();
  bool fill();
  bool sum();
  bool cross();
  bool take();
  void publish(std::atomic<std::int64_t> Counters::*counter, std::int64_t value) {
    (counters_[static_cast<std::size_t>(rank_)]->*counter).store(value, std::memory_order_release);
  }

  MPI_Comm node_;
  MPI_Win window_;
  int rank_ = -1;
  std::int64_t piece_bytes_;  ///< alike on all nodes
  bool alone_ = false;        ///< on its node: pieces stay where they are
  bool shares_ = false;
  bool several_nodes_ = false;          ///< shares are summed in the leader's slots
  std::unique_ptr<LeaderSum> between_;  ///< of a leader of several nodes
  std::vector<Counters*> counters_;     ///< by rank
  std::vector<SumLabel*> labels_;       ///< by rank: one a slot
  std::vector<std::byte*> slots_;       ///< by rank
  std::vector<const std::byte*> from_;
  std::deque<Piece> pieces_;  ///< taken_ .. end_ - 1
  std::int64_t filled_ = 0, summed_ = 0, sent_ = 0, crossed_ = 0, taken_ = 0, end_ = 0;
  std::int64_t sums_ = 0;  ///< started
};

class NodeSumWork final : public Work {
 public:
  NodeSumWork(SharedWindowSum& sum, std::int64_t end) : sum_(sum), end_(end) {}
  ~NodeSumWork() override {
    if (sum_.complete(end_))
      return;
    try {
      sum_.wait_for(end_);
    } catch (const Error&) {  // MPI's, already fatal for the other ranks
    }
  }
  NodeSumWork(const NodeSumWork&) = delete;
  NodeSumWork& operator=(const NodeSumWork&) = delete;
  void wait() override { sum_.wait_for(end_); }
  bool done() override {
    sum_.progress();
    if (!sum_.complete(end_))
      sum_.let_mpi_move_on();
    return sum_.complete(end_);
  }

 private:
  SharedWindowSum& sum_;
  std::int64_t end_;
};

SharedWindowSum::SharedWindowSum(MPI_Comm node,
                                 MPI_Win window,
                                 const MPI_Comm* leaders,
                                 std::int64_t piece_bytes)
    : node_(node), window_(window), piece_bytes_(piece_bytes), several_nodes_(leaders != nullptr) {
  int size = 0;
  REGATTA_MPI(-1, MPI_Comm_rank(node, &rank_));
  REGATTA_MPI(rank_, MPI_Comm_size(node, &size));
  REGATTA_MPI(rank_, MPI_Win_lock_all(MPI_MODE_NOCHECK, window_));
  shares_ = size >= kShareFrom || several_nodes_;
  if (several_nodes_ && *leaders != MPI_COMM_NULL)
    between_ = std::make_unique<LeaderSum>(*leaders, piece_bytes_);
  alone_ = size == 1;
  for (int r = 0; r < size; ++r) {
    MPI_Aint bytes = 0;
    int unit = 0;
    std::byte* begin = nullptr;
    REGATTA_MPI(rank_, MPI_Win_shared_query(window_, r, &bytes, &unit, &begin));
    // A segment has a cache line to spare: nobody promises how it is aligned.
    const auto odd = reinterpret_cast<std::uintptr_t>(begin) % 64;
    begin += odd == 0 ? 0 : 64 - odd;
    if (r == rank_)
      new (begin) Counters{};
    counters_.push_back(reinterpret_cast<Counters*>(begin));
    labels_.push_back(reinterpret_cast<SumLabel*>(begin + sizeof(Counters)));
    slots_.push_back(begin + sizeof(Counters) + kLabelBytes);
  }
  from_.resize(counters_.size());
  REGATTA_MPI(rank_, MPI_Barrier(node));  // all counters are zero
}

void SharedWindowSum::check_labels(std::int64_t piece) const {
  const auto place = static_cast<std::size_t>(piece % kSlots);
  const SumLabel& mine = labels_[static_cast<std::size_t>(rank_)][place];
  for (std::size_t r = 0; r < labels_.size(); ++r) {
    const SumLabel& other = labels_[r][place];
    if (other == mine)
      continue;
    fail(ExitCode::kCommunication,
         "rank {} of its node: collectives that do not meet: its sum of {}, against rank {}'s of "
         "{}. The ranks do not run the same program on the same configuration",
         rank_,
         describe(mine),
         r,
         describe(other));
  }
}

bool SharedWindowSum::fill() {
  if (filled_ == end_ || !all_beyond(&Counters::taken, filled_ - kSlots))
    return false;
  const Piece& piece = at(filled_);
  if (!alone_)
    std::memcpy(slot(static_cast<std::size_t>(rank_), filled_),
                piece.data,
                static_cast<std::size_t>(piece.bytes));
  labels_[static_cast<std::size_t>(rank_)][filled_ % kSlots] = piece.label;
  publish(&Counters::filled, ++filled_);
  return true;
}

bool SharedWindowSum::sum() {
  if (!shares_ || summed_ == filled_ || !all_beyond(&Counters::filled, summed_))
    return false;
  if (alone_) {
    publish(&Counters::summed, ++summed_);
    return true;
  }
  check_labels(summed_);
  const Piece& piece = at(summed_);
  const auto [begin, bytes] = share(piece.bytes, static_cast<std::size_t>(rank_));
  for (std::size_t r = 0; r < from_.size(); ++r) from_[r] = slot(r, summed_) + begin;
  const auto summing = static_cast<std::size_t>(several_nodes_ ? kLeader : rank_);
  sum_in_order(piece.type, slot(summing, summed_) + begin, from_, bytes);
  publish(&Counters::summed, ++summed_);
  return true;
}

bool SharedWindowSum::cross() {
  if (between_ == nullptr)
    return false;
  if (sent_ < summed_ && all_beyond(&Counters::summed, sent_)) {
    between_->start(at(sent_).label, sum_of_node(sent_), at(sent_).bytes);
    ++sent_;
    return true;
  }
  between_->check_announcements();
  if (crossed_ == sent_ || !between_->finish_oldest())
    return false;
  publish(&Counters::crossed, ++crossed_);
  return true;
}

bool SharedWindowSum::ready_to_take() const {
  if (taken_ == filled_)
    return false;
  if (several_nodes_)
    return counters_[kLeader]->crossed.load(std::memory_order_acquire) > taken_;
  return all_beyond(shares_ ? &Counters::summed : &Counters::filled, taken_);
}

bool SharedWindowSum::take() {
  if (!ready_to_take())
    return false;
  const Piece& piece = at(taken_);
  if (several_nodes_) {
    if (!alone_)
      std::memcpy(piece.data, slot(kLeader, taken_), static_cast<std::size_t>(piece.bytes));
  } else if (shares_) {
    for (std::size_t r = 0; r < slots_.size(); ++r) {
      const auto [begin, bytes] = share(piece.bytes, r);
      std::memcpy(piece.data + begin, slot(r, taken_) + begin, static_cast<std::size_t>(bytes));
    }
  } else {
    check_labels(taken_);
    for (std::size_t r = 0; r < from_.size(); ++r) from_[r] = slot(r, taken_);
    from_[static_cast<std::size_t>(rank_)] = piece.data;
    sum_in_order(piece.type, piece.data, from_, piece.bytes);
  }
  pieces_.pop_front();
  publish(&Counters::taken, ++taken_);
  return true;
}

/// What others wait for comes first: other nodes, then filling, then shares.
bool SharedWindowSum::step() {
  return cross() || fill() || sum() || take();
}

void SharedWindowSum::wait_for(std::int64_t piece) {
  for (int spins = 0; !complete(piece); ++spins) {
    if (step()) {
      spins = 0;
    } else if (spins % kSpins == kSpins - 1) {
      let_mpi_move_on();
      sched_yield();
    } else if (crossed_ < sent_) {  // a test of a message takes long: others may need this core
      sched_yield();
    }
  }
}

std::unique_ptr<Work> SharedWindowSum::start(void* data, std::int64_t count, ReduceType type) {
  const std::int64_t bytes = count * (type == ReduceType::kFloat32 ? 4 : 8);
  const SumLabel label{++sums_, bytes, static_cast<std::int64_t>(type)};
  for (std::int64_t begin = 0; begin < bytes; begin += piece_bytes_) {
    pieces_.push_back({static_cast<std::byte*>(data) + begin,
                       std::min(piece_bytes_, bytes - begin),
                       type,
                       label});
    ++end_;
  }
  if (between_ != nullptr)
    between_->announce(label);
  progress();
  return std::make_unique<NodeSumWork>(*this, end_);
}

bool agreed(MPI_Comm world, bool mine) {
  int all = mine ? 1 : 0;
  REGATTA_MPI(-1, MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, world));
  return all == 1;
}

/// False where there is none, or only one whose stores others see late.
bool allocate_window(MPI_Comm node, MPI_Win& window) {
  void* memory = nullptr;
  // Segments of their own, so that a rank's pages lie where it runs.
  MPI_Info info = MPI_INFO_NULL;
  REGATTA_MPI(-1, MPI_Info_create(&info));
  REGATTA_MPI(-1, MPI_Info_set(info, "alloc_shared_noncontig", "true"));
  const int code = MPI_Win_allocate_shared(
      static_cast<MPI_Aint>(64 + sizeof(Counters) + kLabelBytes + kSlots * kSlotBytes),
      1,
      info,
      node,
      &memory,
      &window);
  REGATTA_MPI(-1, MPI_Info_free(&info));
  if (code != MPI_SUCCESS)
    return false;
  int* model = nullptr;
  int found = 0;
  REGATTA_MPI(-1, MPI_Win_get_attr(window, MPI_WIN_MODEL, &model, &found));
  return found != 0 && *model == MPI_WIN_UNIFIED;
}

}  // namespace

std::unique_ptr<NodeSum> make_node_sum(MPI_Comm world, MPI_Comm node) {
  MPI_Win window = MPI_WIN_NULL;
  const bool usable = allocate_window(node, window);
  // A window that only some ranks have cannot be freed: that is collective.
  if (!agreed(world, usable))
    return nullptr;
  int rank = 0;
  int local_rank = 0;
  int local_size = 0;
  int size = 0;
  REGATTA_MPI(-1, MPI_Comm_rank(world, &rank));
  REGATTA_MPI(rank, MPI_Comm_size(world, &size));
  REGATTA_MPI(rank, MPI_Comm_rank(node, &local_rank));
  REGATTA_MPI(rank, MPI_Comm_size(node, &local_size));
  if (agreed(world, local_size == size))
    return std::make_unique<SharedWindowSum>(node, window, nullptr, kSlotBytes);
  MPI_Comm leaders = MPI_COMM_NULL;
  REGATTA_MPI(rank,
              MPI_Comm_split(world, local_rank == kLeader ? 0 : MPI_UNDEFINED, rank, &leaders));
  const std::int64_t piece = agreed(world, local_size == 1) ? kAlonePieceBytes : kSlotBytes;
  auto sum = std::make_unique<SharedWindowSum>(node, window, &leaders, piece);
  if (leaders != MPI_COMM_NULL)
    REGATTA_MPI(rank, MPI_Comm_free(&leaders));
  return sum;
}

}  // namespace regatta
