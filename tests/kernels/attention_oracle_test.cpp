// Both tables against PyTorch Geometric in double: output, attention weights and all gradients of a
// layer; of gatv2 and the transformer the layer's projections are left out.
#include "kernels/attention_case.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace regatta::test {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFeatures = 5;

/// Row-major matrix product a [n,k] b [k,m]; transposes by flag.
struct Matrix {
  std::size_t rows = 0, columns = 0;
  std::vector<double> value;
  double at(std::size_t i, std::size_t j) const { return value[i * columns + j]; }
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c{a.rows, b.columns, std::vector<double>(a.rows * b.columns, 0.0)};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t k = 0; k < a.columns; ++k)
      for (std::size_t j = 0; j < b.columns; ++j)
        c.value[i * b.columns + j] += a.at(i, k) * b.at(k, j);
  return c;
}

Matrix transposed(const Matrix& a) {
  Matrix t{a.columns, a.rows, std::vector<double>(a.value.size())};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.columns; ++j) t.value[j * a.rows + i] = a.at(i, j);
  return t;
}

/// A layer over a random graph: x, W and, for gat, the attention vectors. gatv2 and transformer
/// have the tables of their case alone.
struct Layer {
  std::string name;
  AttentionCase test;
  Matrix x, weight;
  std::vector<double> a_source, a_destination;  ///< [H,D]

  std::size_t row() const { return static_cast<std::size_t>(test.heads * test.width); }
  bool projects() const { return x.rows > 0; }
};

/// <z_n, a> per node and head.
std::vector<double> logits(const Layer& layer, const std::vector<double>& a) {
  const auto heads = static_cast<std::size_t>(layer.test.heads);
  const auto width = static_cast<std::size_t>(layer.test.width);
  std::vector<double> result(layer.test.at("value").size() / width, 0.0);
  for (std::size_t k = 0; k < layer.test.at("value").size(); ++k)
    result[k / width] += layer.test.at("value")[k] * a[k % (heads * width)];
  return result;
}

Layer make_layer(const GraphShape& shape, CaseOptions options) {
  GraphShape square = shape;  // PyG has a row for every node
  square.degrees.resize(static_cast<std::size_t>(shape.nodes), 0);
  Layer layer;
  layer.name = kind_name(options) + "_" + shape.name + "_" + std::to_string(options.heads) + "x" +
               std::to_string(options.width);
  layer.test = make_case(square, options, 11);
  return layer;
}

void add_projection(Layer& layer) {
  const std::int64_t nodes = layer.test.graph.in.nodes;
  const auto row = static_cast<std::int64_t>(layer.row());
  layer.x = {static_cast<std::size_t>(nodes), kFeatures, random_values(nodes * kFeatures, 21)};
  layer.weight = {kFeatures, layer.row(), random_values(kFeatures * row, 22)};
  layer.test.at("value") = product(layer.x, layer.weight).value;
  layer.a_source = random_values(row, 23);
  layer.a_destination = random_values(row, 24);
  if (layer.test.kind == AttentionKind::kGat) {
    layer.test.at("s") = logits(layer, layer.a_source);
    layer.test.at("t") = logits(layer, layer.a_destination);
  }
}

std::vector<Layer> layers() {
  const GraphShape no_edge{"no_edge", 3, {0, 0, 0}};
  std::vector<Layer> all;
  for (CaseOptions options : all_kinds()) {
    const auto add = [&](const GraphShape& shape, std::int64_t heads, std::int64_t width) {
      options.dtype = KernelType::kFloat64;
      options.heads = heads;
      options.width = width;
      all.push_back(make_layer(shape, options));
      const std::string kind = kind_name(options);
      if (kind == "gat" || kind == "dot")
        add_projection(all.back());
    };
    add(mixed_shape(), 1, 1);
    add(mixed_shape(), 8, 7);
    add(mixed_shape(), 2, 64);
    add(mixed_shape(), 3, 250);
    add(mixed_shape(), 16, 8);
    add(mixed_shape(), 11, 3);
    add(chunks_shape(), 3, 8);
    add(hub_shape(), 4, 3);
    add(single_node_shape(), 2, 3);
    add(no_edge, 2, 3);
  }
  return all;
}

class Oracle : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("regatta_oracle_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    nlohmann::json cases = nlohmann::json::array();
    for (const Layer& layer : layers()) cases.push_back(write(layer));
    std::ofstream(folder_ / "cases.json") << cases;
    const std::string command = std::string(REGATTA_PYTHON) + " " + REGATTA_SOURCE_DIR +
                                "/tests/oracle/pyg_attention.py " + folder_.string();
    status_ = std::system(command.c_str());
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  template <class T>
  static void store(const Layer& layer, const std::string& array, const std::vector<T>& values) {
    std::ofstream file(folder_ / (layer.name + "." + array), std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(T)));
  }

  static nlohmann::json write(const Layer& layer) {
    const CsrView in = layer.test.graph.in.view();
    std::vector<std::int64_t> dst;
    for (std::int64_t i = 0; i < in.rows; ++i)
      dst.resize(static_cast<std::size_t>(in.indptr[static_cast<std::size_t>(i) + 1]), i);
    store(layer, "src", std::vector<std::int64_t>(in.src.begin(), in.src.end()));
    store(layer, "dst", dst);
    store(layer, "x", layer.x.value);
    store(layer, "weight", layer.weight.value);
    store(layer, "a_source", layer.a_source);
    store(layer, "a_destination", layer.a_destination);
    for (const auto& [array, values] : layer.test.arrays) store(layer, array, values);
    return {{"name", layer.name},
            {"kind", kind_name(layer.test)},
            {"nodes", in.nodes},
            {"features", kFeatures},
            {"heads", layer.test.heads},
            {"width", layer.test.width},
            {"slope", layer.test.negative_slope},
            {"scale", layer.test.scale}};
  }

  static std::vector<double> expected(const Layer& layer, const std::string& array) {
    const fs::path path = folder_ / (layer.name + "." + array + ".expected");
    std::vector<double> values(fs::file_size(path) / sizeof(double));
    std::ifstream(path, std::ios::binary)
        .read(reinterpret_cast<char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof(double)));
    return values;
  }

  static void expect_equal(const Layer& layer,
                           const std::string& array,
                           const std::vector<double>& found) {
    EXPECT_LE(relative_error(found, expected(layer, array)), 1e-10) << array;
  }

  static void compare(const Layer& layer, const KernelTable& table);
  static void compare_projected(const Layer& layer, const Arrays& result);

  static inline fs::path folder_;
  static inline int status_ = -1;
};

void Oracle::compare(const Layer& layer, const KernelTable& table) {
  const Arrays result = run_table(table, layer.test);
  expect_equal(layer, "out", result.at("out"));
  expect_equal(layer, "alpha", result.at("weights"));
  if (layer.projects())
    return compare_projected(layer, result);
  for (const auto& [array, values] : layer.test.arrays) {
    if (array != "grad_out")
      expect_equal(layer, "grad." + array, result.at("grad." + array));
  }
}

/// Gradients of x and W, and of gat's attention vectors.
void Oracle::compare_projected(const Layer& layer, const Arrays& result) {
  const auto nodes = static_cast<std::size_t>(layer.test.graph.in.nodes);
  const auto width = static_cast<std::size_t>(layer.test.width);
  Matrix grad_z{nodes, layer.row(), result.at("grad.value")};
  if (layer.test.kind == AttentionKind::kGat) {
    // What the layer adds round the kernels: the terms through s and t.
    std::vector<double> grad_a_source(layer.row(), 0.0);
    std::vector<double> grad_a_destination(layer.row(), 0.0);
    for (std::size_t k = 0; k < grad_z.value.size(); ++k) {
      const double ds = result.at("grad.s")[k / width];
      const double dt = result.at("grad.t")[k / width];
      const std::size_t column = k % layer.row();
      grad_z.value[k] += ds * layer.a_source[column] + dt * layer.a_destination[column];
      grad_a_source[column] += ds * layer.test.at("value")[k];
      grad_a_destination[column] += dt * layer.test.at("value")[k];
    }
    expect_equal(layer, "grad_a_source", grad_a_source);
    expect_equal(layer, "grad_a_destination", grad_a_destination);
  }
  expect_equal(layer, "grad_x", product(grad_z, transposed(layer.weight)).value);
  expect_equal(layer, "grad_weight", product(transposed(layer.x), grad_z).value);
}

TEST_F(Oracle, LayersEqualPyTorchGeometric) {
  ASSERT_EQ(status_, 0) << "the oracle needs " << REGATTA_PYTHON
                        << " with torch and torch_geometric";
  for (const Layer& layer : layers())
    for (const KernelTable* table : {&reference_kernels(), &cpu_kernels()}) {
      SCOPED_TRACE(layer.name + " by " + table->name);
      compare(layer, *table);
    }
}

}  // namespace
}  // namespace regatta::test
