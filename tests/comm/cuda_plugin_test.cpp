// libregatta_cuda.so on a machine with or without a GPU: it opens, answers, and costs nothing until
// opened. What needs a GPU is skipped aloud where there is none.
#include "comm/communicator.h"
#include "core/cuda_library.h"
#include "core/error.h"
#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <torch/cuda.h>
#include <torch/types.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace regatta {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string mapped_files() {
  std::ifstream maps("/proc/self/maps");
  std::stringstream text;
  text << maps.rdbuf();
  return text.str();
}

const CudaPlugin& plugin() {
  const char* named = std::getenv("REGATTA_CUDA_LIBRARY");  // a bundle's own
  set_cuda_library_path(named != nullptr ? named : REGATTA_CUDA_LIBRARY);
  std::string why;
  const CudaPlugin* opened = cuda_plugin(&why);
  if (opened == nullptr) {
    throw std::runtime_error(why);
  }
  return *opened;
}

#define REGATTA_NEEDS_GPU()            \
  if (plugin().device_count() == 0) {  \
    GTEST_SKIP() << "SKIPPED: no GPU"; \
  }                                    \
  plugin().select_device(0)

// First, as the later tests open the plugin for the whole process.
TEST(CudaPluginTest, ACpuProcessDoesNotMapLibTorchsCuda) {
  const at::Tensor sum = torch::ones({3}) + 1;
  EXPECT_EQ(sum.sum().item<float>(), 6);
  EXPECT_THAT(mapped_files(), HasSubstr("libtorch_cpu.so"));
  EXPECT_THAT(mapped_files(), Not(HasSubstr("libtorch_cuda.so")));
  EXPECT_THAT(mapped_files(), Not(HasSubstr("libnccl.so")));
  plugin();
  EXPECT_THAT(mapped_files(), HasSubstr("libtorch_cuda.so"));
}

TEST(CudaPluginTest, AnswersWithoutADriver) {
  EXPECT_GE(plugin().device_count(), 0);
  EXPECT_THAT(plugin().versions(),
              MatchesRegex("CUDA [0-9]+[.][0-9]+, NCCL [0-9]+[.][0-9]+[.][0-9]+"));
  EXPECT_STREQ(plugin().kernels()->name, "cuda");
}

TEST(CudaPluginTest, LibTorchAgreesOnTheDevices) {
  EXPECT_EQ(plugin().device_count() > 0, torch::cuda::is_available());
}

TEST(CudaPluginTest, AnErrorCrossesTheLibrarysBorder) {
  const int beyond = plugin().device_count();
  for (const int device : {beyond, -1}) {
    try {
      plugin().select_device(device);
      FAIL() << "device " << device << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kDevice);
      EXPECT_THAT(error.what(), HasSubstr("GPU " + std::to_string(device)));
    }
    EXPECT_THROW(plugin().device_description(device), Error);
  }
}

TEST(CudaPluginTest, NcclWithoutAGpuIsAnErrorNotAHang) {
  if (plugin().device_count() > 0) {
    GTEST_SKIP() << "SKIPPED: this machine has a GPU";
  }
  const auto self = make_self_communicator();
  try {
    const std::unique_ptr<Communicator> nccl(plugin().make_nccl_communicator(*self, 0));
    FAIL() << "NCCL started without a GPU";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kDevice);
    EXPECT_THAT(error.what(), HasSubstr("rank 0"));
  }
}

TEST(CudaPluginTest, HostMemoryIsRefusedByTheKernels) {
  const PreparedGraph graph = prepare_graph({1, 1, std::vector<std::int64_t>{0, 0}, {}, {}}, {});
  float z = 1;
  float logit = 0;
  float out = 0;
  AttentionForwardArgs args;
  args.in.rows = args.in.nodes = args.in.heads = args.in.width = 1;
  args.in.graph = &graph;
  args.in.value = &z;
  args.in.source_logit = args.in.destination_logit = &logit;
  args.out = &out;
  EXPECT_THROW(plugin().kernels()->forward(args), Error);
}

TEST(NcclCommunicatorTest, OneRankSumsDeviceMemory) {
  REGATTA_NEEDS_GPU();
  const auto self = make_self_communicator();
  const std::unique_ptr<Communicator> nccl(plugin().make_nccl_communicator(*self, 0));
  EXPECT_EQ(nccl->name(), "nccl");
  const at::Tensor values = torch::arange(1000, torch::dtype(at::kFloat).device(at::kCUDA));
  nccl->all_reduce(values.data_ptr(), 1000, ReduceType::kFloat32, ReduceOp::kSum);
  EXPECT_TRUE(torch::equal(values.cpu(), torch::arange(1000, at::kFloat)));
  std::int64_t host = 5;
  nccl->all_reduce_sum(std::span(&host, 1));  // host memory takes the other way
  EXPECT_EQ(host, 5);
}

}  // namespace
}  // namespace regatta
