#include "cli/command.h"

#include "core/log.h"

namespace regatta {

Communicator& CommandContext::world() {
  if (!session_) {
    session_ = std::make_unique<MpiSession>(argc_, argv_);
    Communicator& world = session_->world();
    log::set_rank(world.rank(), world.size());
  }
  return session_->world();
}

}  // namespace regatta
