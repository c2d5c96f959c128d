// Random damage to bytes and to JSON.
#pragma once

#include "core/rng.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace regatta::test {

/// One to four small changes: bits, bytes, telling integers, ranges zeroed, copied, cut or put in,
/// the end cut off.
void mutate_bytes(std::string& bytes, RandomStream& random);

/// Replaces, removes or duplicates one value somewhere in the document.
void mutate_json(nlohmann::ordered_json& document, RandomStream& random);

}  // namespace regatta::test
