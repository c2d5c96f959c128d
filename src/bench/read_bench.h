// `regatta bench read`: reading a dataset's chunks beside a plain read of the same bytes.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>

#include "data/dataset.h"

namespace regatta {

/// Reads every chunk `repeats` times (page cache warm) in turn with read(2) of the same files into
/// one buffer. Chunks are read as training reads them, checks included, and every payload byte is
/// touched. Returns {bytes, chunk, plain, percent}: seconds as median, minimum, maximum; percent =
/// plain / chunk of the medians. Throws Error(kData).
nlohmann::ordered_json bench_read(const std::string& folder,
                                  const ReadOptions& options,
                                  std::int64_t repeats);

}  // namespace regatta
