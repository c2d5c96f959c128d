// Byte streams, delimited tables, columns.
#include "preprocess/sources/byte_stream.h"
#include "preprocess/sources/columns.h"
#include "preprocess/sources/delimited_table.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace regatta {
namespace {

using testing::expect_error;
using testing::TestFolder;

std::string read_all(const std::string& path, std::size_t piece) {
  ByteStream stream(path);
  std::string all;
  std::string buffer(piece, '\0');
  for (std::size_t got = stream.read(buffer.data(), piece); got > 0;
       got = stream.read(buffer.data(), piece)) {
    all.append(buffer, 0, got);
  }
  return all;
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += std::to_string(i * 7919 % 1000003) + ",";
  return text;
}

TEST(ByteStream, ReadsPlainAndGzip) {
  const TestFolder folder;
  for (const std::string& content : {std::string(), std::string("x"), long_text()}) {
    EXPECT_EQ(read_all(folder.write("plain", content), 1000), content);
    for (const std::size_t piece : {7UL, 65536UL}) {
      EXPECT_EQ(read_all(folder.write_gzip("packed", content), piece), content);
    }
  }
}

TEST(ByteStream, ReadsJoinedMembers) {
  const TestFolder folder;
  const std::string first = testing::bytes_of(folder.write_gzip("a", "hello "));
  const std::string empty = testing::bytes_of(folder.write_gzip("b", ""));
  const std::string last = testing::bytes_of(folder.write_gzip("c", long_text()));
  EXPECT_EQ(read_all(folder.write("joined", first + empty + last), 4096), "hello " + long_text());
}

TEST(ByteStream, RefusesEveryTruncation) {
  const TestFolder folder;
  const std::string whole = testing::bytes_of(folder.write_gzip("a", "a,b\n1,2\n3,4\n"));
  for (std::size_t size = 2; size < whole.size(); ++size) {
    const std::string path = folder.write("cut", whole.substr(0, size));
    expect_error(ExitCode::kData, "gzip stream", [&] { read_all(path, 100); });
  }
}

TEST(ByteStream, RefusesDamage) {
  const TestFolder folder;
  std::string bytes = testing::bytes_of(folder.write_gzip("a", long_text()));
  expect_error(
      ExitCode::kData, "not gzip", [&] { read_all(folder.write("t", bytes + "tail"), 99); });
  bytes[bytes.size() - 6] ^= 1;  // the checksum
  expect_error(ExitCode::kData, "damaged", [&] { read_all(folder.write("d", bytes), 99); });
  expect_error(
      ExitCode::kData, "nowhere: cannot be opened", [&] { read_all(folder.at("nowhere"), 9); });
  expect_error(ExitCode::kData, "cannot be read", [&] { read_all(folder.path(), 9); });
}

using Rows = std::vector<std::vector<std::string>>;

struct TableResult {
  std::vector<std::string> header;
  Rows rows;
  std::vector<std::int64_t> lines;
  std::string faults;
};

TableResult read_table(const std::string& content, TableFormat format = {}) {
  const TestFolder folder;
  format.path = folder.write("t", content);
  RowReport report("report", "error");
  DelimitedTable table(format, {}, report);
  TableResult result;
  result.header = table.header();
  while (table.next()) {
    result.rows.emplace_back(table.fields().begin(), table.fields().end());
    result.lines.push_back(table.place().line);
  }
  result.faults = report.table();
  return result;
}

TEST(DelimitedTable, CountsLinesThroughCommentsQuotesAndEmptyLines) {
  const auto table = read_table("# made by hand\nsrc,dst\n\n1,2\r\n#1,9\n\"a \"\"b\"\"\nc\",3\n4,5",
                                {.comment = "#"});
  EXPECT_EQ(table.header, (std::vector<std::string>{"src", "dst"}));
  EXPECT_EQ(table.rows, (Rows{{"1", "2"}, {"a \"b\"\nc", "3"}, {"4", "5"}}));
  EXPECT_EQ(table.lines, (std::vector<std::int64_t>{4, 6, 8}));
}

TEST(DelimitedTable, RecognisesHeadersAndSeparators) {
  EXPECT_TRUE(read_table("1,2\n3,4\n").header.empty());
  EXPECT_EQ(read_table("from\tto\n3\t4\n").header, (std::vector<std::string>{"from", "to"}));
  EXPECT_EQ(read_table("ann,bob\n3,4\n").header.size(), 2U) << "words above numbers";
  EXPECT_TRUE(read_table("ann,bob\nbob,eve\n").header.empty()) << "text ids";
  EXPECT_EQ(read_table("Source,Target\nbob,eve\n").header.size(), 2U) << "usual names";
  EXPECT_EQ(read_table("ann,bob\nbob,eve\n", {.header = "yes"}).rows.size(), 1U);
  EXPECT_EQ(read_table("src,dst\n1,2\n", {.header = "no"}).rows.size(), 2U);
  EXPECT_EQ(read_table(" 1  2\n3 \t4 \n").rows, (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(read_table("\xEF\xBB\xBF"
                       "1,2\n")
                .rows,
            (Rows{{"1", "2"}}));
  EXPECT_EQ(read_table("1,,3\n,,\n").rows, (Rows{{"1", "", "3"}, {"", "", ""}}));
  EXPECT_TRUE(read_table("").rows.empty());
}

TEST(DelimitedTable, ListsBadRows) {
  const auto table =
      read_table(std::string("1,2\n1,2,3\n1,\"2\"x\n1,2\"\n1,\xff\n1,\0\n5,6\n7,\"8\n", 39));
  EXPECT_EQ(table.rows, (Rows{{"1", "2"}, {"5", "6"}}));
  for (const char* expected : {"t:2\",\"the row has 3 column(s), expected 2",
                               "t:3\",\"text follows a closing quote",
                               "t:4\",\"a quote",
                               "t:5\",\"the row is not UTF-8",
                               "t:6\",\"the row holds a NUL byte",
                               "t:8\",\"a quote is opened and not closed"}) {
    EXPECT_NE(table.faults.find(expected), std::string::npos) << expected << "\nin\n"
                                                              << table.faults;
  }
}

// What a plain writer writes is what the table reads, whatever the fields hold.
RC_GTEST_PROP(DelimitedTable, ReadsBackWhatWasQuoted, ()) {
  const auto field =
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab\",\n \r1")));
  const auto rows =
      *rc::gen::container<Rows>(rc::gen::container<std::vector<std::string>>(3, field));
  std::string content = "x,y,z\n";
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      content += i == 0 ? "\"" : ",\"";
      for (const char c : row[i]) content += c == '"' ? std::string("\"\"") : std::string(1, c);
      content += "\"";
    }
    content += "\r\n";
  }
  const auto table = read_table(content, {.format = "csv", .header = "yes"});
  RC_ASSERT(table.rows == rows);
}

// Rows longer than the reader's buffer and across its borders.
TEST(DelimitedTable, ReadsLongFiles) {
  std::string content;
  Rows expected;
  for (int i = 0; i < 60000; ++i) {
    const std::string text(static_cast<std::size_t>(i % 97), 'x');
    content += std::to_string(i) + "," + text + "\n";
    expected.push_back({std::to_string(i), text});
  }
  const std::string huge(3000000, 'y');
  content += "1," + huge + "\n";
  expected.push_back({"1", huge});
  EXPECT_TRUE(read_table(content).rows == expected);
}

// An open quote must not swallow the rows behind it.
TEST(DelimitedTable, AnOpenQuoteSpoilsItsOwnRowOnly) {
  std::string content = "0,0\n7,\"8\n";
  for (int i = 0; i < 30000; ++i) content += "1,2\n";
  const auto table = read_table(content);
  EXPECT_EQ(table.rows.size(), 30001U);
  EXPECT_EQ(table.lines.at(1), 3);
}

TEST(IdColumn, BecomesTextOnlyWhereItMust) {
  IdColumn column("auto");
  EXPECT_TRUE(column.push("12"));
  EXPECT_TRUE(column.push("-3"));
  EXPECT_FALSE(column.is_text());
  EXPECT_FALSE(column.push(""));
  EXPECT_TRUE(column.push("007")) << "would lose its zeros as an integer";
  EXPECT_TRUE(column.is_text());
  EXPECT_EQ(column.text(1), "-3");
  EXPECT_EQ(column.text(2), "007");
  EXPECT_EQ(column.select({2, 0}).text(1), "12");
  IdColumn integers("integer");
  EXPECT_FALSE(integers.push("x"));
  EXPECT_FALSE(integers.push("9223372036854775808"));
  EXPECT_TRUE(integers.push("9223372036854775807"));
  EXPECT_EQ(integers.size(), 1U);
}

TEST(Utf8, AcceptsAndRefuses) {
  EXPECT_TRUE(is_utf8("plain ascii text"));
  EXPECT_TRUE(is_utf8("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8f\x86"));
  for (const char* bad : {"\x80",
                          "\xc3",
                          "\xc0\xaf",
                          "\xe0\x80\xaf",
                          "\xed\xa0\x80",
                          "\xf5\x80\x80\x80",
                          "long enough ascii \xff"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace regatta
