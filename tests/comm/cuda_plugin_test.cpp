// libregatta_cuda.so on a machine with or without a GPU: it opens, answers, and costs nothing until
// opened. What needs a GPU is skipped aloud where there is none.
#include "comm/communicator.h"
#include "core/cuda_library.h"
#include "core/error.h"
#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <torch/torch.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
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
  set_cuda_library_path(REGATTA_CUDA_LIBRARY);
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
  args.in.z = &z;
  args.in.source_logit = args.in.destination_logit = &logit;
  args.out = &out;
  EXPECT_THROW(plugin().kernels()->forward(args), Error);
}

// ---- On a GPU ----

template <class T>
SharedArray<T> on_device(const SharedArray<T>& host) {
  const auto bytes = static_cast<std::int64_t>(host.size() * sizeof(T));
  const at::Tensor copy = torch::empty({bytes}, torch::dtype(at::kByte));
  std::memcpy(copy.data_ptr(), host.data(), static_cast<std::size_t>(bytes));
  auto owner = std::make_shared<at::Tensor>(copy.cuda());
  const std::span<const T> view(static_cast<const T*>(owner->data_ptr()), host.size());
  return {std::move(owner), view};
}

PreparedGraph on_device(const PreparedGraph& host) {
  PreparedGraph graph = host;
  graph.in.indptr = on_device(host.in.indptr);
  graph.in.src = on_device(host.in.src);
  graph.in.edge_id = on_device(host.in.edge_id);
  graph.global_id = on_device(host.global_id);
  graph.out_ptr = on_device(host.out_ptr);
  graph.out_dst = on_device(host.out_dst);
  graph.out_edge = on_device(host.out_edge);
  graph.on_device = true;
  return graph;
}

/// 40 rows over 60 nodes: an empty row, a hub, parallel edges.
PreparedGraph sample_graph() {
  std::vector<std::int64_t> indptr = {0};
  std::vector<std::int32_t> src;
  for (int row = 0; row < 40; ++row) {
    const int degree = row == 3 ? 0 : row == 5 ? 200 : row % 7 + 1;
    std::vector<std::int32_t> sources;
    for (int k = 0; k < degree; ++k) {
      sources.push_back((row * 17 + k * 23) % 60);
    }
    std::sort(sources.begin(), sources.end());
    src.insert(src.end(), sources.begin(), sources.end());
    indptr.push_back(static_cast<std::int64_t>(src.size()));
  }
  std::vector<std::int64_t> edge_id(src.size());
  std::vector<std::int64_t> global_id(60);
  for (std::size_t e = 0; e < edge_id.size(); ++e) {
    edge_id[e] = (std::int64_t{1} << 40) + static_cast<std::int64_t>(e) * 3;
  }
  for (std::size_t n = 0; n < global_id.size(); ++n) {
    global_id[n] = (std::int64_t{1} << 35) + static_cast<std::int64_t>(n) * 5;
  }
  return prepare_graph({40, 60, indptr, src, edge_id}, global_id);
}

struct AttentionRun {
  at::Tensor out, logsumexp, correction, weights, grad_z, grad_s, grad_t;
};

/// Forward, weights and backward of one table on one device.
AttentionRun run_attention(const KernelTable& table,
                           const PreparedGraph& graph,
                           AttentionKind kind,
                           at::ScalarType type,
                           const at::Device& device) {
  constexpr std::int64_t kHeads = 3;
  constexpr std::int64_t kWidth = 130;  // more than a tile
  torch::manual_seed(5);
  const auto random = [&](at::IntArrayRef shape) {
    return torch::randn(shape, at::kDouble).to(device, type);
  };
  const auto blank = [&](at::IntArrayRef shape) {
    return torch::full(shape, 777, torch::dtype(type).device(device));
  };
  const at::Tensor z = random({60, kHeads, kWidth}), s = random({60, kHeads}),
                   t = random({40, kHeads});
  const at::Tensor g = random({40, kHeads, kWidth});
  AttentionRun run = {blank({40, kHeads, kWidth}),
                      blank({40, kHeads}),
                      blank({40, kHeads, kWidth}),
                      blank({static_cast<std::int64_t>(graph.in.src.size()), kHeads}),
                      blank({60, kHeads, kWidth}),
                      blank({60, kHeads}),
                      blank({40, kHeads})};
  AttentionInputs in;
  in.kind = kind;
  in.dtype = type == at::kFloat ? KernelType::kFloat32 : KernelType::kFloat64;
  in.rows = 40;
  in.nodes = 60;
  in.heads = kHeads;
  in.width = kWidth;
  in.graph = &graph;
  in.z = z.data_ptr();
  in.source_logit = s.data_ptr();
  in.destination_logit = t.data_ptr();
  in.scale = 0.1;
  in.attention_dropout = {0.4, make_random_key(1, RandomPurpose::kAttentionDropout, 2, 3)};
  in.message_dropout = {0.3, make_random_key(1, RandomPurpose::kMessageDropout, 2, 3)};
  const bool gat = kind == AttentionKind::kGat;
  table.forward({in,
                 run.out.data_ptr(),
                 run.logsumexp.data_ptr(),
                 gat ? run.correction.data_ptr() : nullptr,
                 nullptr});
  table.weights({in, run.logsumexp.data_ptr(), run.weights.data_ptr()});
  AttentionBackwardArgs args = {in,
                                run.out.data_ptr(),
                                run.logsumexp.data_ptr(),
                                nullptr,
                                g.data_ptr(),
                                run.grad_z.data_ptr(),
                                run.grad_s.data_ptr(),
                                run.grad_t.data_ptr(),
                                nullptr};
  const auto bytes = static_cast<std::int64_t>(table.backward_workspace_bytes(args));
  const at::Tensor workspace = torch::empty({bytes + 1}, torch::dtype(at::kByte).device(device));
  args.workspace = workspace.data_ptr();
  table.backward(args);
  return run;
}

TEST(CudaKernelsTest, EqualTheReference) {
  REGATTA_NEEDS_GPU();
  const PreparedGraph host = sample_graph();
  const PreparedGraph device = on_device(host);
  for (const AttentionKind kind : {AttentionKind::kGat, AttentionKind::kDot}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const AttentionRun a = run_attention(*plugin().kernels(), device, kind, type, at::kCUDA);
      const AttentionRun again = run_attention(*plugin().kernels(), device, kind, type, at::kCUDA);
      const AttentionRun b = run_attention(reference_kernels(), host, kind, type, at::kCPU);
      const double tolerance = type == at::kFloat ? 1e-5 : 1e-10;
      for (const auto member : {&AttentionRun::out,
                                &AttentionRun::logsumexp,
                                &AttentionRun::correction,
                                &AttentionRun::weights,
                                &AttentionRun::grad_z,
                                &AttentionRun::grad_s,
                                &AttentionRun::grad_t}) {
        const at::Tensor found = (a.*member).cpu().to(at::kDouble);
        const at::Tensor expected = (b.*member).to(at::kDouble);
        EXPECT_LE((found - expected).norm().item<double>(),
                  tolerance * expected.norm().item<double>());
        EXPECT_TRUE(torch::equal(a.*member, again.*member)) << "two runs gave different bits";
      }
    }
  }
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
