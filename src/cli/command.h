// What every command file offers to main(): one function that adds its subcommand.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.h"

namespace CLI {
class App;
}

namespace regatta {

/// Handed to each command. The MPI session starts at the first call of world(), so that --help and
/// `config --check` need no MPI. A command reports failure by throwing Error; main() turns it into
/// an exit code.
class CommandContext {
 public:
  CommandContext(int* argc, char*** argv) : argc_(argc), argv_(argv) {}
  Communicator& world();
  bool world_started() const { return session_ != nullptr; }

 private:
  int* argc_;
  char*** argv_;
  std::unique_ptr<MpiSession> session_;
};

void add_preprocess_command(CLI::App& app, CommandContext& context);
void add_inspect_command(CLI::App& app, CommandContext& context);
void add_verify_command(CLI::App& app, CommandContext& context);
void add_train_command(CLI::App& app, CommandContext& context);
void add_evaluate_command(CLI::App& app, CommandContext& context);
void add_predict_command(CLI::App& app, CommandContext& context);
void add_config_command(CLI::App& app, CommandContext& context);
void add_checkpoint_command(CLI::App& app, CommandContext& context);
void add_watch_command(CLI::App& app, CommandContext& context);
void add_bench_command(CLI::App& app, CommandContext& context);

}  // namespace regatta
