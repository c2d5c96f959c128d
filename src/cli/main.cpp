// The program: its commands, and the way from an error to a message and an exit code.
#include "cli/command.h"
#include "cli/versions.h"
#include "core/cuda_library.h"
#include "core/error.h"
#include "core/log.h"
#include "nn/tensor_memory.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <thread>

namespace {

using regatta::CommandContext;
using regatta::ExitCode;

constexpr const char* kDescription =
    "Distributed training of graph-attention networks over HDF5 graph chunks.\n"
    "Start: 'regatta preprocess CONFIG', then 'mpirun -n 2 regatta train CONFIG'.";
constexpr const char* kFooter =
    "Exit codes: 0 done, 1 internal error, 2 command line or configuration, 3 bad data,\n"
    "4 device or environment, 5 storage, 6 non-finite training, 75 communication (retry),\n"
    "85 stopped on request with a checkpoint (start again with --resume).";

void add_commands(CLI::App& app, CommandContext& context) {
  regatta::add_preprocess_command(app, context);
  regatta::add_inspect_command(app, context);
  regatta::add_verify_command(app, context);
  regatta::add_train_command(app, context);
  regatta::add_watch_command(app, context);
  regatta::add_checkpoint_command(app, context);
  regatta::add_evaluate_command(app, context);
  regatta::add_predict_command(app, context);
  regatta::add_config_command(app, context);
  regatta::add_bench_command(app, context);
}

/// One log line for each line of the message, as each fault of a configuration has its own.
void report(std::string_view message) {
  while (!message.empty()) {
    const std::size_t end = message.find('\n');
    regatta::log::error_text(std::string(message.substr(0, end)));
    message.remove_prefix(end == std::string_view::npos ? message.size() : end + 1);
  }
}

/// All ranks stop together, after the same step, so that MPI can end in order.
int leave_on_request(const std::string& message) {
  regatta::log::info_text(message);
  return static_cast<int>(ExitCode::kRequeue);
}

/// Says what went wrong. In a job of several ranks the whole job ends: MPI_Finalize would wait for
/// ranks that know nothing of the error.
int leave(CommandContext& context, ExitCode code, const std::string& message) {
  if (code == ExitCode::kRequeue)
    return leave_on_request(message);
  const bool is_job = context.world_started() && context.world().size() > 1;
  if (is_job && context.world().rank() != 0) {
    // Where every rank fails alike, rank 0 speaks and ends the job within this time.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  report(message);
  if (is_job)
    context.world().abort(static_cast<int>(code));
  return static_cast<int>(code);
}

int run(CLI::App& app, CommandContext& context, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return static_cast<int>(ExitCode::kDone);
  } catch (const CLI::ParseError& error) {
    const bool is_fault = app.exit(error) != 0;  // prints the help, the version or what is wrong
    return static_cast<int>(is_fault ? ExitCode::kUsage : ExitCode::kDone);
  } catch (const regatta::Error& error) {
    return leave(context, error.code(), error.what());
  } catch (const std::exception& error) {
    if (const auto memory = regatta::device_memory_error(error))
      return leave(context, memory->code(), memory->what());
    return leave(context, ExitCode::kInternal, fmt::format("internal error: {}", error.what()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (const char* library = std::getenv("REGATTA_CUDA_LIBRARY")) {
    regatta::set_cuda_library_path(library);
  }
  CommandContext context(&argc, &argv);
  CLI::App app{kDescription, "regatta"};
  app.set_version_flag("--version", [] { return regatta::versions_text(); });
  app.require_subcommand(1);
  app.footer(kFooter);
  add_commands(app, context);
  return run(app, context, argc, argv);
}
