#include "train/event_file.h"

#include "core/crc32c.h"
#include "core/error.h"

#include <cstring>

namespace regatta {
namespace {

// Protocol buffers: a field is its number and wire type, then a varint, 4, 8 or a counted string.
enum class WireType : std::uint32_t { kVarint = 0, kDouble = 1, kBytes = 2, kFloat = 5 };

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 128; value >>= 7) out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
}
void put_key(std::string& out, std::uint32_t field, WireType type) {
  put_varint(out, field << 3 | static_cast<std::uint32_t>(type));
}
template <class T>
void put_raw(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));  // little-endian, as x86 is
  out.append(bytes, sizeof(T));
}
void put_bytes(std::string& out, std::uint32_t field, const std::string& value) {
  put_key(out, field, WireType::kBytes);
  put_varint(out, value.size());
  out += value;
}

std::string event_at(double wall_time, std::int64_t step) {
  std::string event;
  put_key(event, 1, WireType::kDouble);
  put_raw(event, wall_time);
  put_key(event, 2, WireType::kVarint);
  put_varint(event, static_cast<std::uint64_t>(step));
  return event;
}

/// As TensorFlow masks a checksum that is stored beside what it is of.
std::uint32_t masked(const std::string& bytes) {
  const std::uint32_t crc = crc32c(bytes.data(), bytes.size());
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

}  // namespace

EventFile::EventFile(const std::string& path)
    : path_(path), file_(path, std::ios::binary | std::ios::trunc) {
  std::string event = event_at(0, 0);
  put_bytes(event, 3, "brain.Event:2");
  write(event);
}

void EventFile::add(double wall_time, std::int64_t step, const Scalars& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    std::string entry;
    put_bytes(entry, 1, tag);
    put_key(entry, 2, WireType::kFloat);
    put_raw(entry, static_cast<float>(value));
    put_bytes(summary, 1, entry);
  }
  std::string event = event_at(wall_time, step);
  put_bytes(event, 5, summary);
  write(event);
}

void EventFile::write(const std::string& event) {
  std::string length, record;
  put_raw(length, static_cast<std::uint64_t>(event.size()));
  record = length;
  put_raw(record, masked(length));
  record += event;
  put_raw(record, masked(event));
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
  file_.flush();
  if (!file_)
    fail(ExitCode::kStorage, "{}: cannot be written; is the disk full?", path_);
}

}  // namespace regatta
