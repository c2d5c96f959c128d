// Reads JSON that may be wrong: every refusal names the file and the JSON path.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace regatta {

/// A node of a document and its path. The document must outlive it. Every member that cannot return
/// what it is named after throws Error(kData): "FILE: chunks[3].file: found ..., expected ...".
class JsonReader {
 public:
  JsonReader(const nlohmann::ordered_json& node, std::string where, std::string path = "");

  JsonReader at(const std::string& key) const;
  bool has(const std::string& key) const;                           ///< an object with this key
  std::vector<JsonReader> items() const;                            ///< of a list
  std::vector<std::pair<std::string, JsonReader>> members() const;  ///< of an object

  std::string text() const;
  std::string one_of(std::initializer_list<const char*> allowed) const;
  bool boolean() const;
  double number() const;       ///< finite
  std::int64_t count() const;  ///< integer in [0, 2^63)
  std::uint64_t unsigned_integer() const;
  std::uint32_t hexadecimal() const;  ///< text of 8 hexadecimal digits
  std::vector<std::string> texts() const;
  std::vector<double> numbers() const;
  std::vector<std::int64_t> counts() const;
  const nlohmann::ordered_json& json() const { return *node_; }

  [[noreturn]] void refuse(const std::string& found, const std::string& expected) const;

 private:
  std::string found() const;

  const nlohmann::ordered_json* node_;
  std::string where_;
  std::string path_;
};

/// Parses a document. Throws Error(kData) naming `where`, the position, and keys that occur twice.
nlohmann::ordered_json parse_json(const std::string& text, const std::string& where);

}  // namespace regatta
