// Tables as HDF5 files.
#include "data/table_writer.h"

#include "core/error.h"
#include "core/file.h"
#include "data/hdf5_file.h"

#include <cstdio>
#include <utility>

namespace regatta {
namespace {

enum ColumnType { kIntegers, kReals, kTexts };

}  // namespace

void Hdf5Table::add(std::string name, std::vector<std::int64_t> values) {
  Column column;
  column.name = std::move(name);
  column.integers = std::move(values);
  column.type = kIntegers;
  columns_.push_back(std::move(column));
}

void Hdf5Table::add(std::string name, std::vector<float> values, std::int64_t columns) {
  REGATTA_CHECK(columns > 0 && values.size() % static_cast<std::size_t>(columns) == 0,
                "{}: {} values do not fill {} columns",
                name,
                values.size(),
                columns);
  Column column;
  column.name = std::move(name);
  column.reals = std::move(values);
  column.width = columns;
  column.type = kReals;
  columns_.push_back(std::move(column));
}

void Hdf5Table::add(std::string name, std::vector<std::string> values) {
  Column column;
  column.name = std::move(name);
  column.texts = std::move(values);
  column.type = kTexts;
  columns_.push_back(std::move(column));
}

void Hdf5Table::write(const std::string& path) const {
  const std::string temporary = path + ".tmp";
  try {
    Hdf5Writer file(temporary);
    for (const Column& column : columns_) {
      const std::string name = "/" + column.name;
      const auto width = static_cast<std::uint64_t>(column.width);
      if (column.type == kIntegers)
        file.array(name, ElementType::kInt64, {column.integers.size()}, column.integers.data());
      else if (column.type == kReals)
        file.array(
            name, ElementType::kFloat32, {column.reals.size() / width, width}, column.reals.data());
      else
        file.texts(name, column.texts);
    }
    file.close();
    publish_file(temporary, path);
  } catch (...) {
    std::remove(temporary.c_str());
    throw;
  }
}

}  // namespace regatta
