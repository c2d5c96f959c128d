// A program whose last rank leaves by an exception while the others wait for it in a collective.
#include "comm/communicator.h"
#include "core/error.h"

#include <cstdio>

int main(int argc, char** argv) {
  try {
    regatta::MpiSession session(&argc, &argv);
    regatta::Communicator& world = session.world();
    if (world.rank() == world.size() - 1) {
      regatta::fail(regatta::ExitCode::kData, "this rank found bad data");
    }
    world.barrier();
  } catch (const regatta::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
