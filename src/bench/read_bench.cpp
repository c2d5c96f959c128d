#include "bench/read_bench.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "bench/time_spread.h"
#include "core/error.h"
#include "core/timer.h"

namespace regatta {
namespace {

constexpr std::size_t kBuffer = 8 << 20;

void read_plainly(const std::string& path, std::vector<char>& buffer) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    fail(ExitCode::kData, "{}: cannot be opened", path);
  while (read(file, buffer.data(), buffer.size()) > 0) {
  }
  close(file);
}

}  // namespace

nlohmann::ordered_json bench_read(const std::string& folder,
                                  const ReadOptions& options,
                                  std::int64_t repeats) {
  std::vector<char> buffer(kBuffer);
  std::vector<double> chunk_seconds, plain_seconds;
  std::uint64_t bytes = 0;
  for (std::int64_t i = 0; i <= repeats; ++i) {
    // A fresh Dataset each time: `verify: first_use` then checks every array again, as a training's
    // first epoch does.
    const Dataset dataset(folder, options);
    const Timer chunks;
    for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) dataset.read_chunk(c);
    const double took = chunks.seconds();
    const Timer plain;
    for (std::int64_t c = 0; c < dataset.num_chunks(); ++c)
      read_plainly(dataset.chunk_path(c), buffer);
    if (i == 0)
      continue;  // warms the page cache
    chunk_seconds.push_back(took);
    plain_seconds.push_back(plain.seconds());
    bytes = 0;
    for (const ManifestChunk& chunk : dataset.manifest().chunks) bytes += chunk.bytes;
  }
  const nlohmann::ordered_json chunk = time_spread(chunk_seconds),
                               plain = time_spread(plain_seconds);
  const double ratio = plain["median"].get<double>() / chunk["median"].get<double>();
  return {
      {"bytes", bytes},
      {"verify", options.verify},
      {"read", options.read},
      {"chunk", chunk},
      {"plain", plain},
      {"gigabytes_per_second", static_cast<double>(bytes) / 1e9 / chunk["median"].get<double>()},
      {"percent", 100 * ratio}};
}

}  // namespace regatta
