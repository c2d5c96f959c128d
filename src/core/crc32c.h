// CRC32C (Castagnoli) through ISA-L.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace regatta {

/// Plain CRC32C as in RFC 3720 (initial value and final xor 0xFFFFFFFF): crc32c("123456789") = 0xE3069283.
/// `previous` continues an earlier result.
std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t previous = 0);

/// CRC32C of a whole file. Throws Error(kData) when it cannot be read.
std::uint32_t crc32c_of_file(const std::string& path, std::uint64_t* size = nullptr);

/// Lower-case hexadecimal, 8 digits.
std::string crc32c_text(std::uint32_t value);

}  // namespace regatta
