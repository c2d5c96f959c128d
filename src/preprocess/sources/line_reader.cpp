#include "preprocess/sources/line_reader.h"

#include "core/error.h"

#include <cstring>

namespace regatta {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;
constexpr std::size_t kLongestLine = std::size_t{1} << 30;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

LineReader::LineReader(const std::string& path, std::string comment)
    : stream_(path), comment_(std::move(comment)), buffer_(4 * kPiece, '\0') {
  end_ = stream_.read(buffer_.data(), buffer_.size());
  at_end_ = end_ < buffer_.size();
  if (std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) {
    begin_ = next_ = kByteOrderMark.size();
  }
}

// Makes [begin_, line_end_) end at the next line end at or after next_.
bool LineReader::find_line_end() {
  std::size_t scan = next_;
  for (;;) {
    const void* found = std::memchr(buffer_.data() + scan, '\n', end_ - scan);
    if (found != nullptr) {
      line_end_ = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      next_ = line_end_ + 1;
      return true;
    }
    if (at_end_) {
      if (next_ == end_)
        return false;
      line_end_ = next_ = end_;
      return true;
    }
    const std::size_t scanned = end_ - begin_;
    std::memmove(buffer_.data(), buffer_.data() + begin_, scanned);
    next_ -= begin_;
    begin_ = 0;
    end_ = scan = scanned;
    if (buffer_.size() - end_ < kPiece)
      buffer_.resize(2 * buffer_.size());
    if (buffer_.size() > 2 * kLongestLine) {
      fail(ExitCode::kData,
           "{}:{}: the line is longer than 1 GiB; is this a text file?",
           path(),
           last_number_ + 1);
    }
    const std::size_t got = stream_.read(buffer_.data() + end_, buffer_.size() - end_);
    at_end_ = end_ + got < buffer_.size();
    end_ += got;
  }
}

std::string_view LineReader::record() {
  std::string_view line(buffer_.data() + begin_, line_end_ - begin_);
  if (line.ends_with('\r'))
    line.remove_suffix(1);
  return line;
}

bool LineReader::next(std::string_view& line) {
  for (;;) {
    begin_ = next_;
    if (!find_line_end())
      return false;
    number_ = ++last_number_;
    first_end_ = line_end_ - begin_;
    first_next_ = next_ - begin_;
    line = record();
    if (line.empty() || (!comment_.empty() && line.starts_with(comment_)))
      continue;
    return true;
  }
}

bool LineReader::join_following(std::string_view& line) {
  if (!find_line_end())
    return false;
  ++last_number_;
  line = record();
  return true;
}

void LineReader::separate(std::string_view& line) {
  line_end_ = begin_ + first_end_;
  next_ = begin_ + first_next_;
  last_number_ = number_;
  line = record();
}

namespace {

// Length of the multi-byte character at the front, 0 when it is not well formed.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length)
    return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80)
      return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool beyond = (lead == 0xED && byte(1) > 0x9F) || (lead == 0xF4 && byte(1) > 0x8F);
  return overlong || beyond ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (text.size() >= 8) {  // eight ASCII characters at once
      std::uint64_t word = 0;
      std::memcpy(&word, text.data(), 8);
      if ((word & 0x8080808080808080ULL) == 0) {
        text.remove_prefix(8);
        continue;
      }
    }
    if (static_cast<unsigned char>(text[0]) < 0x80) {
      text.remove_prefix(1);
      continue;
    }
    const std::size_t length = character_length(text);
    if (length == 0)
      return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace regatta
