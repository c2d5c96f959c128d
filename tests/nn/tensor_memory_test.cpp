// Want of memory names layer, tensor, shape and size, on the host and on a device, and nothing else
// is taken for it.
#include "nn/tensor_memory.h"

#include "core/error_text.h"
#include "nn/host_memory.h"
#include "nn/model.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <gtest/gtest.h>

#include <string>

namespace regatta {
namespace {

template <class Body>
std::string complaint_of(const Body& body) {
  return test::error_text(ExitCode::kDevice, body);
}

at::Tensor no_device_memory() {
  C10_THROW_ERROR(OutOfMemoryError,
                  "CUDA out of memory. Tried to allocate 20.00 GiB.\nSee the docs");
}

TEST(TensorMemory, NamesATensorTheHostHasNoRoomFor) {
  keep_host_memory();
  const std::string said = complaint_of([] {
    in_layer(3, [] { empty_tensor("value", {std::int64_t{1} << 40, 4, 32}, torch::kFloat); });
  });
  EXPECT_TRUE(
      said.starts_with("model.layers.3: tensor 'value' [1099511627776, 4, 32] of "
                       "536870912.0 MiB: out of memory: 536870912 MiB were asked for"))
      << said;
  EXPECT_TRUE(said.ends_with("use smaller chunks, fewer ranks a node or a smaller model")) << said;
}

TEST(TensorMemory, NamesATensorTheDeviceHasNoRoomFor) {
  EXPECT_EQ(complaint_of([] {
              in_layer(0, [] {
                allocate_tensor("output", {1 << 20, 8}, torch::kBFloat16, no_device_memory);
              });
            }),
            "model.layers.0: tensor 'output' [1048576, 8] of 16.0 MiB: out of device memory: CUDA "
            "out of memory. Tried to allocate 20.00 GiB.; use smaller chunks, fewer ranks a GPU, "
            "runtime.precision: bf16 or a smaller model");
}

TEST(TensorMemory, ALayerIsNamedOnce) {
  EXPECT_TRUE(complaint_of([] {
                in_layer(2, [] { no_device_memory(); });
              }).starts_with("model.layers.2: out of device memory: CUDA"));
  const std::string said = complaint_of(
      [] { in_layer(2, [] { allocate_tensor("value", {1}, torch::kFloat, no_device_memory); }); });
  EXPECT_TRUE(said.starts_with("model.layers.2: tensor 'value'")) << said;
}

TEST(TensorMemory, OtherErrorsStayAsTheyAre) {
  EXPECT_THROW(in_layer(0, [] { throw std::out_of_range("no"); }), std::out_of_range);
  EXPECT_THROW(in_layer(0, [] { TORCH_CHECK(false, "no"); }), c10::Error);
  try {
    in_layer(0, [] { fail(ExitCode::kUsage, "wrong shape"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_STREQ(error.what(), "wrong shape");
  }
  EXPECT_FALSE(device_memory_error(std::runtime_error("no")));
}

TEST(TensorMemory, OutsideLayersTheDeviceIsNamed) {
  try {
    no_device_memory();
  } catch (const std::exception& error) {
    const auto named = device_memory_error(error);
    ASSERT_TRUE(named);
    EXPECT_EQ(named->code(), ExitCode::kDevice);
    EXPECT_TRUE(std::string(named->what()).starts_with("out of device memory: CUDA out of memory"));
  }
}

/// A layer of a model whose weights fit in no memory.
TEST(TensorMemory, AModelThatDoesNotFitNamesItsLayer) {
  keep_host_memory();
  ModelOptions options;
  options.layers.resize(2);
  options.layers[0].heads = 1;
  options.layers[0].width = 2;
  options.layers[1].heads = 1;
  options.layers[1].combine = "mean";
  ModelShape shape;
  shape.features = 3;
  shape.outputs = std::int64_t{1} << 44;
  const std::string said = complaint_of([&] { const Model model(options, shape); });
  EXPECT_TRUE(said.starts_with("model.layers.1: out of memory: ")) << said;
}

}  // namespace
}  // namespace regatta
