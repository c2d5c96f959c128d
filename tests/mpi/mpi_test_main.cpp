// main() of every test that runs under mpirun: the MPI session first, then GoogleTest on every
// rank.
//
// `--hang-rank N` makes rank N wait for a debugger. A failure on any rank fails the whole run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "comm/communicator.h"
#include "mpi/mpi_world.h"

namespace regatta::testing {
namespace {
Communicator* world = nullptr;
}
Communicator& mpi_world() {
  return *world;
}
}  // namespace regatta::testing

int main(int argc, char** argv) {
  regatta::MpiSession session(&argc, &argv);
  regatta::testing::world = &session.world();
  ::testing::InitGoogleTest(&argc, argv);
  const int rank = session.world().rank();
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--hang-rank" && std::atoi(argv[i + 1]) == rank) {
      std::fprintf(stderr, "rank %d is process %d, waiting for a debugger\n", rank, getpid());
      while (true) sleep(1);
    }
  }
  if (rank != 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    listeners.Append(listeners.Release(listeners.default_result_printer()));
  }
  const int failed = RUN_ALL_TESTS();
  return session.world().all_reduce_max(failed) != 0 ? 1 : 0;
}
