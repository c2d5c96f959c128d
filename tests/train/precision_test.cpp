// Training in bfloat16 storage reaches what fp32 reaches: Cora, the published model, three seeds.
// Ten seeds and the tight bound are in tests/integration/accuracy_test.py.
#include "mpi/mpi_world.h"
#include "nn/model.h"
#include "train/cora_job.h"
#include "train/trainer.h"

#include <torch/types.h>

#include <gtest/gtest.h>

#include <cmath>

namespace regatta::testing {
namespace {

TEST(Precision, Bfloat16TrainsAsWellAsFloat) {
  const SharedFolder folder("regatta-precision", mpi_world());
  make_cora(folder.path() + "/data", 1, mpi_world());
  const auto dataset = std::make_shared<const Dataset>(folder.path() + "/data");
  const auto mean_accuracy = [&](const std::string& precision) {
    double sum = 0;
    for (const std::int64_t seed : {1, 2, 3}) {
      TrainJob job = cora_job(60);
      job.train.seed = seed;
      job.runtime.precision = precision;
      Trainer trainer(
          job, dataset, folder.path() + "/" + precision + std::to_string(seed), mpi_world());
      for (const at::Tensor& parameter : trainer.model().tensors())
        EXPECT_EQ(parameter.scalar_type(), at::kFloat);
      sum += trainer.run(false).test.accuracy;
    }
    return sum / 3;
  };
  const double exact = mean_accuracy("fp32"), narrow = mean_accuracy("bf16");
  EXPECT_GT(exact, 0.75);
  EXPECT_LT(std::abs(exact - narrow), 0.01) << exact << " in fp32, " << narrow << " in bf16";
}

}  // namespace
}  // namespace regatta::testing
