// Predictions as CSV and HDF5.
#include <fmt/format.h>

#include <iterator>

#include "core/file.h"
#include "data/table_writer.h"
#include "train/predictor.h"

namespace regatta {
namespace {

/// RFC 4180: quoted when it holds a comma, a quote or a line break.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos)
    return text;
  std::string quoted(1, '"');
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  quoted.push_back('"');
  return quoted;
}

std::string header(const Predictions& rows, const std::vector<std::string>& classes) {
  std::string line = "id,predicted";
  if (!rows.probability.empty()) {
    for (const std::string& name : classes)
      line += fmt::format(",{}", csv_field(fmt::format("p_{}", name)));
  }
  for (std::int64_t e = 0; e < (rows.embedding.empty() ? 0 : rows.embedding_width); ++e) {
    line += fmt::format(",e_{}", e);
  }
  return line + "\n";
}

void append_values(std::string& text,
                   const std::vector<float>& values,
                   std::size_t row,
                   std::int64_t width) {
  if (values.empty())
    return;
  const auto columns = static_cast<std::size_t>(width);
  for (std::size_t c = 0; c < columns; ++c) {
    fmt::format_to(std::back_inserter(text), ",{}", values[row * columns + c]);
  }
}

}  // namespace

void write_predictions_csv(const std::string& path,
                           const Predictions& rows,
                           const std::vector<std::string>& classes) {
  std::string text = header(rows, classes);
  for (std::size_t i = 0; i < rows.global_id.size(); ++i) {
    text += fmt::format("{},{}",
                        csv_field(rows.original_id[i]),
                        csv_field(classes[static_cast<std::size_t>(rows.predicted[i])]));
    append_values(text, rows.probability, i, rows.classes);
    append_values(text, rows.embedding, i, rows.embedding_width);
    text += "\n";
  }
  replace_file(path, text);
}

void write_predictions_hdf5(const std::string& path,
                            const Predictions& rows,
                            const std::vector<std::string>& classes) {
  Hdf5Table table;
  table.add("id", rows.original_id);
  table.add("predicted", rows.predicted);
  if (!rows.probability.empty())
    table.add("probability", rows.probability, rows.classes);
  if (!rows.embedding.empty())
    table.add("embedding", rows.embedding, rows.embedding_width);
  table.add("classes", classes);
  table.write(path);
}

}  // namespace regatta
