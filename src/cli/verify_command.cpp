// `regatta verify`: every fault of a dataset, its chunks shared out to the ranks.
#include "cli/command.h"
#include "comm/gather_texts.h"
#include "core/error.h"
#include "core/log.h"
#include "core/timer.h"
#include "data/dataset_verify.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace regatta {
namespace {

struct VerifyArguments {
  std::string folder;
  bool json = false;
  bool allow_non_finite = false;
};

/// The faults of all ranks, in the order of ranks, on every rank.
std::vector<std::string> gather_faults(const std::vector<std::string>& mine, Communicator& world) {
  const std::string text =
      nlohmann::json(mine).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  std::vector<std::string> all;
  for (const std::string& of_rank : gather_texts(text, world)) {
    const auto faults = nlohmann::json::parse(of_rank);
    all.insert(all.end(), faults.begin(), faults.end());
  }
  return all;
}

std::vector<std::string> find_faults(const VerifyArguments& arguments,
                                     const Manifest& manifest,
                                     Communicator& world) {
  const std::string& folder = arguments.folder;
  VerifyShare share =
      verify_chunks(folder, manifest, {world.rank(), world.size(), arguments.allow_non_finite});
  std::vector<std::string> faults = gather_faults(share.faults, world);
  world.all_reduce(share.owned_nodes.data(),
                   static_cast<std::int64_t>(share.owned_nodes.size()),
                   ReduceType::kByte,
                   ReduceOp::kBitOr);
  world.all_reduce_sum(std::span<std::int64_t>(share.edge_types));
  if (faults.empty()) {
    for (const std::string& fault : {missing_nodes_fault(folder, manifest, share.owned_nodes),
                                     edge_types_fault(folder, manifest, share.edge_types)}) {
      if (!fault.empty())
        faults.push_back(fault);
    }
  }
  return faults;
}

void run_verify(const VerifyArguments& arguments, CommandContext& context) {
  const Timer timer;
  Communicator& world = context.world();
  std::vector<std::string> faults;
  std::size_t chunks = 0;
  std::uint64_t bytes = 0;
  try {
    const Manifest manifest = read_manifest(arguments.folder);
    chunks = manifest.chunks.size();
    for (const ManifestChunk& chunk : manifest.chunks) bytes += chunk.bytes;
    faults = find_faults(arguments, manifest, world);
  } catch (const Error& error) {
    // Every rank reads the same manifest, so all come here or none does.
    if (error.code() != ExitCode::kData)
      throw;
    faults.emplace_back(error.what());
  }
  if (arguments.json) {
    const nlohmann::ordered_json report = {{"folder", arguments.folder},
                                           {"chunks", chunks},
                                           {"bytes", bytes},
                                           {"faults", faults},
                                           {"seconds", timer.seconds()}};
    log::result_text(report.dump(1, ' ', true, nlohmann::json::error_handler_t::replace));
  } else {
    for (const std::string& fault : faults) log::result_text(fault);
  }
  if (!faults.empty()) {
    fail(ExitCode::kData,
         "{}: {} fault{} found",
         arguments.folder,
         faults.size(),
         faults.size() == 1 ? "" : "s");
  }
  if (!arguments.json) {
    log::result("{}: no fault in {} chunk{}, {} bytes ({:.2f} s)",
                arguments.folder,
                chunks,
                chunks == 1 ? "" : "s",
                bytes,
                timer.seconds());
  }
}

}  // namespace

void add_verify_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* command =
      app.add_subcommand("verify", "list every fault of a dataset (alone, or with mpirun)");
  command->add_option("DIR", arguments->folder, "folder with manifest.json")->required();
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->add_flag(
      "--allow-non-finite", arguments->allow_non_finite, "accept NaN and Inf in features");
  command->callback([arguments, &context] { run_verify(*arguments, context); });
}

}  // namespace regatta
