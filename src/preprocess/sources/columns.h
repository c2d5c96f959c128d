// Columns as the sources give them: node ids, class labels, features.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace regatta {

/// Whole `text` as an integer of canonical form: no sign but '-', no leading zeros, so its text is
/// given back.
std::optional<std::int64_t> canonical_integer(std::string_view text);
/// Whole `text` as any decimal integer.
std::optional<std::int64_t> any_integer(std::string_view text);

/// Whole `text` as a number; inf and nan included.
std::optional<double> any_real(std::string_view text);
/// Without blanks at its ends.
std::string_view trimmed(std::string_view text);

/// Node ids: 64-bit integers until a value is not one (kind auto), then text for all.
class IdColumn {
 public:
  /// `kind`: auto | integer | text.
  explicit IdColumn(const std::string& kind);
  IdColumn() : IdColumn("auto") {}

  static IdColumn of_integers(std::vector<std::int64_t> ids);

  /// False when `id` is empty, or not an integer where integers are asked for; the column is then
  /// unchanged.
  bool push(std::string_view id);
  void pop();

  std::size_t size() const { return is_text_ ? offsets_.size() - 1 : integers_.size(); }
  bool is_text() const { return is_text_; }
  void become_text();
  std::int64_t integer(std::size_t i) const { return integers_[i]; }
  std::string_view text(std::size_t i) const {
    return std::string_view(bytes_).substr(static_cast<std::size_t>(offsets_[i]),
                                           static_cast<std::size_t>(offsets_[i + 1] - offsets_[i]));
  }
  std::string shown(std::size_t i) const;  ///< for messages
  /// The ids at `rows`, in that order.
  IdColumn select(const std::vector<std::int64_t>& rows) const;

  const std::vector<std::int64_t>& integers() const { return integers_; }
  const std::string& bytes() const { return bytes_; }
  const std::vector<std::int64_t>& offsets() const { return offsets_; }

 private:
  bool integers_only_;
  bool is_text_;
  std::vector<std::int64_t> integers_;
  std::string bytes_;
  std::vector<std::int64_t> offsets_{0};
};

/// Why IdColumn::push refused `id`; `what` is the column's meaning.
std::string id_fault(const char* what, std::string_view id);

/// Class labels as codes into the names met so far; -1 = unknown ("", "-1").
struct LabelColumn {
  std::vector<std::int32_t> code;
  std::vector<std::string> names;

  void push(std::string_view label);
  std::int32_t code_of(std::string_view label);
  /// The code of a name whatever it is, "" and "-1" included.
  std::int32_t code_of_name(std::string_view label);

 private:
  std::unordered_map<std::string, std::int32_t> codes_;
};

/// Sorts names of classes: in numeric order where all are integers, else by their bytes.
void sort_names(std::vector<std::string>& names);

/// Raw features; NaN = missing. Dense: value [rows, width]. Sparse: indptr [rows+1], index and
/// value, indices ascending.
struct RawFeatures {
  bool sparse = false;
  std::int64_t width = 0;
  std::vector<std::string> names;
  std::vector<float> value;
  std::vector<std::int64_t> indptr{0};
  std::vector<std::int32_t> index;
};

}  // namespace regatta
