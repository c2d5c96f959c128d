// Large scratch memory in huge pages.
#pragma once

#include <cstddef>

namespace regatta::cpu {

/// Asks the system to back whole 2 MB pages of [begin, begin + bytes) by huge pages. Random rows of
/// a packed tile then miss no translation buffer, and fresh memory costs one fault for 512. A
/// refusal is no error.
void ask_for_huge_pages(void* begin, std::size_t bytes);

}  // namespace regatta::cpu
