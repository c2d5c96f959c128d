#include "train/rank_agreement.h"

#include "comm/gather_texts.h"
#include "core/amx.h"
#include "core/error.h"
#include "train/runtime.h"

#include <ATen/Version.h>

#include <nlohmann/json.hpp>

namespace regatta {
namespace {

/// Of two JSON objects the first member that differs, else the two texts.
std::string difference(const std::string& other, const std::string& first) {
  const auto there = nlohmann::json::parse(other, nullptr, false);
  const auto here = nlohmann::json::parse(first, nullptr, false);
  if (!there.is_object() || !here.is_object())
    return fmt::format("'{}', rank 0 has '{}'", other, first);
  const auto changes = nlohmann::json::diff(here, there);
  if (changes.empty())
    return "another order";
  const std::string path = changes[0]["path"];
  const nlohmann::json::json_pointer at(path);
  const auto text = [&](const nlohmann::json& json) {
    return json.contains(at) ? json.at(at).dump() : std::string("nothing");
  };
  return fmt::format("{} at {}, rank 0 has {}", text(there), path, text(here));
}

}  // namespace

RankProperties rank_properties(const TrainJob& job, const Manifest& manifest) {
  TrainJob copy = job;
  OptionGroup group;
  copy.declare(group);
  nlohmann::ordered_json config = group.values();
  config.erase("runtime");  // never changes the result
  return {{"instruction set", at::get_cpu_capability() + (amx_in_use() ? " and AMX" : "")},
          {"library versions", library_versions().dump()},
          {"configuration", config.dump()},
          {"dataset digest", dataset_digest(manifest)}};
}

void check_ranks_alike(const RankProperties& mine, Communicator& world) {
  const auto gathered = gather_texts(nlohmann::json(mine).dump(), world);
  const auto of_rank = [&](std::size_t rank) {
    return nlohmann::json::parse(gathered[rank]).get<RankProperties>();
  };
  const RankProperties first = of_rank(0);
  for (std::size_t rank = 1; rank < gathered.size(); ++rank) {
    const RankProperties other = of_rank(rank);
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (i < other.size() && other[i] == first[i])
        continue;
      fail(
          ExitCode::kUsage,
          "rank {} differs from rank 0 in its {}: it has {}. Start every rank with the same build, "
          "configuration and dataset, on processors of one kind (runtime.amx: false where only "
          "some "
          "have AMX)",
          rank,
          first[i].first,
          i < other.size() ? difference(other[i].second, first[i].second) : "none");
    }
  }
}

}  // namespace regatta
