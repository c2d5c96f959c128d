// The version of Regatta; a test compares it with CMakeLists.txt.
#pragma once

namespace regatta {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace regatta
