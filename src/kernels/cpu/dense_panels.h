// The width of the panels that dense products pack.
#pragma once

#include <cstddef>

namespace regatta::cpu {

/// Two vectors of 64 bytes, the widest of any target: workspaces are sized for it.
inline constexpr std::size_t kPanelBytes = 128;

}  // namespace regatta::cpu
