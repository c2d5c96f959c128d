// Words of every rank, on every rank.
#pragma once

#include "comm/communicator.h"

#include <string>
#include <string_view>
#include <vector>

namespace regatta {

/// The `mine` of all ranks, by rank; lengths may differ and may be 0. Collective.
std::vector<std::string> gather_texts(std::string_view mine, Communicator& world);

}  // namespace regatta
