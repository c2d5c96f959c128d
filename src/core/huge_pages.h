// Large memory in huge pages.
#pragma once

#include <cstddef>
#include <memory>

namespace regatta {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

/// Asks the system to back whole pages of kHugePage in [begin, begin + bytes) by huge ones. Random
/// rows of a table then miss no translation buffer, and fresh memory costs one fault for 512. A
/// refusal is no error.
void ask_for_huge_pages(void* begin, std::size_t bytes);

/// At least `bytes`, in huge pages where the system gives them, uninitialised; null where it has no
/// memory.
std::unique_ptr<std::byte, void (*)(void*)> huge_page_bytes(std::size_t bytes);

}  // namespace regatta
