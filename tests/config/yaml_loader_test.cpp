// YAML files: what becomes of legal text, and which text is refused where.
#include "config/yaml_loader.h"

#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "core/sample_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta {
namespace {

using Kind = ConfigNode::Kind;
using test::SampleOptions;

const ConfigNode& entry(const ConfigNode& map, const std::string& name) {
  for (const auto& [key, value] : map.entries) {
    if (key.scalar == name)
      return value;
  }
  throw std::out_of_range(name);
}

std::string refusal(const std::string& text) {
  try {
    load_yaml_text(text, "job.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

TEST(LoadYaml, KeepsScalarsAsWritten) {
  const ConfigNode root = load_yaml_text(
      "octal: 012\nhex: 0x10\nnone: ~\nempty:\nword: 'yes'\nnan: .nan\ndouble: \"a\\tb\"\n"
      "block: |\n  two\n  lines\n",
      "job.yaml");
  ASSERT_EQ(root.kind, Kind::kMap);
  EXPECT_EQ(entry(root, "octal").scalar, "012");
  EXPECT_FALSE(entry(root, "octal").quoted);
  EXPECT_EQ(entry(root, "hex").scalar, "0x10");
  EXPECT_EQ(entry(root, "none").kind, Kind::kNull);
  EXPECT_EQ(entry(root, "empty").kind, Kind::kNull);
  EXPECT_EQ(entry(root, "word").scalar, "yes");
  EXPECT_TRUE(entry(root, "word").quoted);
  EXPECT_EQ(entry(root, "nan").scalar, ".nan");
  EXPECT_EQ(entry(root, "double").scalar, "a\tb");
  EXPECT_TRUE(entry(root, "double").quoted);
  EXPECT_EQ(entry(root, "block").scalar, "two\nlines\n");
  EXPECT_TRUE(entry(root, "block").quoted);
}

TEST(LoadYaml, KnowsTheLineAndColumnOfEveryNode) {
  const ConfigNode root = load_yaml_text(
      "# comment\nmodel:\n  layers:\n    - heads: 8\n    - {heads: 1}\n", "job.yaml");
  const ConfigNode& layers = entry(entry(root, "model"), "layers");
  ASSERT_EQ(layers.items.size(), 2U);
  EXPECT_EQ(root.entries[0].first.place(), "job.yaml:2:1");
  EXPECT_EQ(entry(layers.items[0], "heads").place(), "job.yaml:4:14");
  EXPECT_EQ(entry(layers.items[1], "heads").place(), "job.yaml:5:15");
}

TEST(LoadYaml, ReadsNestedFlowListsAndWindowsLineEnds) {
  const ConfigNode root = load_yaml_text("a: [[1, 2], [], {b: 3}]\r\nc: d\r\n", "job.yaml");
  const ConfigNode& list = entry(root, "a");
  ASSERT_EQ(list.items.size(), 3U);
  EXPECT_EQ(list.items[0].items[1].scalar, "2");
  EXPECT_EQ(entry(list.items[2], "b").scalar, "3");
  EXPECT_EQ(entry(root, "c").scalar, "d");
}

TEST(LoadYaml, AnEmptyFileIsAllDefaults) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "---\n...\n"}) {
    const ConfigNode root = load_yaml_text(text, "job.yaml");
    EXPECT_EQ(root.kind, Kind::kNull) << text;
    EXPECT_EQ(root.origin, "job.yaml");
  }
}

struct Refused {
  const char* name;
  const char* text;
  const char* message;
};

class RefusedYaml : public testing::TestWithParam<Refused> {};

TEST_P(RefusedYaml, IsNamedWithItsPlace) {
  EXPECT_THAT(refusal(GetParam().text), testing::StartsWith(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Texts,
    RefusedYaml,
    testing::Values(
        Refused{"Duplicate",
                "a: 1\nb: 2\na: 3\n",
                "job.yaml:3:1: duplicate key 'a', first at job.yaml:1:1"},
        Refused{"DuplicateQuoted", "a: 1\n'a': 3\n", "job.yaml:2:1: duplicate key 'a'"},
        Refused{"DuplicateInner", "x: {b: 1, b: 2}\n", "job.yaml:1:11: duplicate key 'b'"},
        Refused{"Anchor", "a: &name 1\n", "job.yaml:1:4: anchors (&name) are not supported"},
        Refused{"AnchoredMap", "a: &name\n  b: 1\n", "job.yaml:1:4: anchors (&name)"},
        Refused{"Alias", "a: *name\n", "job.yaml:1:4: "},
        Refused{"Tag", "a: !!int 3\n", "job.yaml:1:4: tags ('tag:yaml.org,2002:int')"},
        Refused{"LocalTag", "a: !include other.yaml\n", "job.yaml:1:4: tags ('!include')"},
        Refused{"TaggedMap", "!thing\na: 1\n", "job.yaml:1:1: tags"},
        Refused{"Unclosed", "a: [1, 2\n", "job.yaml:"},
        Refused{"BadIndent", "a:\n  b: 1\n c: 2\n", "job.yaml:3:2: YAML syntax"},
        Refused{"TwoColons", "a: b: c\n", "job.yaml:1:5: YAML syntax"},
        Refused{"BadEscape", "a: \"\\q\"\n", "job.yaml:1:7: YAML syntax"},
        Refused{"ListAsKey", "? [a, b]\n: 1\n", "job.yaml:1:3: a key of a map must be a text"},
        Refused{"NullKey", "~: 1\n", "job.yaml:1:1: a key of a map must be a text"},
        Refused{"TwoDocuments",
                "--- {a: 1}\n--- {b: 1}\n",
                "job.yaml: holds more than one YAML document"},
        Refused{"ControlByte", "a: 1\nb: \x04\n", "job.yaml:2:4: byte 0x04 is not allowed"}),
    [](const auto& info) { return info.param.name; });

TEST(LoadYaml, RefusesZeroBytes) {
  EXPECT_EQ(refusal(std::string("a\0b: 1", 6)),
            "job.yaml:1:2: byte 0x00 is not allowed in YAML text");
}

TEST(LoadYaml, RefusesDeepNestingInEveryStyle) {
  std::string flow = "a: ";
  std::string block;
  for (int i = 0; i < 100; ++i) flow += '[';
  for (int i = 0; i < 100; ++i) block += "- ";
  EXPECT_THAT(refusal(flow + std::string(100, ']')), testing::HasSubstr("nested deeper than 64"));
  EXPECT_THAT(refusal(block + "x"), testing::HasSubstr("nested deeper than 64"));
  std::string legal = "a: " + std::string(60, '[') + std::string(60, ']');
  EXPECT_EQ(refusal(legal), "");
}

TEST(LoadYaml, EndsSoonOnAMegabyteOfBrackets) {
  for (const char* piece : {"[", "{", "- ", "? ", "{a: ", "!", "\"", "a: ", "&a ", "|\n"}) {
    std::string text;
    while (text.size() < (std::size_t{1} << 20)) text += piece;
    EXPECT_NE(refusal(text), "") << piece;
  }
}

TEST(LoadYaml, NamesAFileThatCannotBeRead) {
  const test::ScratchFolder folder;
  for (const std::string& path : {folder / "absent.yaml", folder.path()}) {
    try {
      load_yaml_file(path);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_THAT(error.what(), testing::HasSubstr(path));
    }
  }
}

TEST(LoadYaml, RefusesAFileOverItsLimit) {
  const test::ScratchFolder folder;
  test::write_bytes(folder / "big.yaml", std::string((std::size_t{16} << 20) + 1, '#'));
  EXPECT_THROW(load_yaml_file(folder / "big.yaml"), Error);
}

TEST(LoadYaml, FaultsOfOptionsPointIntoTheFile) {
  const test::ScratchFolder folder;
  const std::string path = folder / "job.yaml";
  test::write_bytes(path,
                    "epochs: 012\nbias:\noptimiser:\n  learning_rat: 1\nlayers:\n  - heads: 0\n");
  SampleOptions options;
  EXPECT_EQ(
      test::faults_of(options, load_yaml_file(path)),
      path +
          ":1:9: epochs: expected an integer, found '012' (write it without the leading zero)\n" +
          path + ":2:1: bias: expected true or false, found nothing\n" + path +
          ":4:3: optimiser.learning_rat: unknown key; did you mean 'learning_rate'?\n" + path +
          ":6:12: layers[0].heads: expected an integer in the range [1, 64], found 0");
}

}  // namespace
}  // namespace regatta
