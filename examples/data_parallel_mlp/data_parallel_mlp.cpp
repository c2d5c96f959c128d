// Trains a plain LibTorch network on several ranks with Regatta's gradient reducer.
//
// Everything but five marked lines is what the same training would be in one process. The program
// prints the loss of every epoch and a digest of the weights, which is the same for any number of
// ranks. usage: [mpirun -n N] data_parallel_mlp [EPOCHS]
#include "comm/communicator.h"
#include "core/crc32c.h"
#include "reducer/gradient_reducer.h"

#include <torch/torch.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace {

constexpr std::int64_t kSamples = 4096, kInputs = 32, kClasses = 5;
constexpr std::int64_t kMicroBatch = 64;   // samples of one forward and backward
constexpr std::int64_t kMicroBatches = 8;  // of one optimiser step, on all ranks together
constexpr std::int64_t kSamplesAStep = kMicroBatch * kMicroBatches;

struct Mlp : torch::nn::Module {
  torch::nn::Linear first{nullptr}, second{nullptr}, third{nullptr};
  Mlp() {
    first = register_module("first", torch::nn::Linear(kInputs, 64));
    second = register_module("second", torch::nn::Linear(64, 64));
    third = register_module("third", torch::nn::Linear(64, kClasses));
  }
  torch::Tensor forward(torch::Tensor x) {
    x = torch::relu(first(x));
    x = torch::relu(second(x));
    return third(x);
  }
};

/// Points around one centre a class. Every rank makes all of them; files would be read here.
struct Samples {
  torch::Tensor x, labels;
  Samples() {
    torch::manual_seed(1);
    const auto centres = torch::randn({kClasses, kInputs});
    labels = torch::randint(kClasses, {kSamples}, torch::kLong);
    x = centres.index_select(0, labels) + 1.5 * torch::randn({kSamples, kInputs});
  }
};

std::string digest(const std::vector<torch::Tensor>& parameters) {
  std::uint32_t crc = 0;
  for (const auto& parameter : parameters) {
    const auto values = parameter.detach().contiguous();
    crc = regatta::crc32c(values.data_ptr(), values.nbytes(), crc);
  }
  return regatta::crc32c_text(crc);
}

void train(regatta::Communicator& world, int epochs) {
  // A product's bits depend on the threads that share it out: one thread, or as many on each rank.
  torch::set_num_threads(1);
  const Samples samples;
  Mlp model;
  torch::optim::Adam optimiser(model.parameters(), 1e-3);

  regatta::broadcast_parameters(model.parameters(), world);        // (1) all start from rank 0's
  regatta::ReducerOptions options;
  options.scalars = 1;                                             // beside gradients: the loss
  regatta::GradientReducer reducer(model.parameters(), world, options);  // (2)

  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double epoch_loss = 0;
    for (std::int64_t start = 0; start < kSamples; start += kSamplesAStep) {
      const auto share = [&](int rank) { return kMicroBatches * rank / world.size(); };
      const std::int64_t begin = share(world.rank()), end = share(world.rank() + 1);
      do {
        reducer.begin(end - begin, kMicroBatches);                 // (3) mine, of all ranks
        for (std::int64_t b = begin; b < end; ++b) {
          const std::int64_t row = start + b * kMicroBatch;
          const auto logits = model.forward(samples.x.narrow(0, row, kMicroBatch));
          // Summed, and divided by the count of the WHOLE step: gradients are summed over ranks.
          const auto loss = torch::nn::functional::cross_entropy(
                                logits,
                                samples.labels.narrow(0, row, kMicroBatch),
                                torch::nn::functional::CrossEntropyFuncOptions().reduction(
                                    torch::kSum)) /
                            static_cast<double>(kSamplesAStep);
          loss.backward();
          const auto value = loss.item<double>();
          reducer.micro_batch_done({&value, 1});                   // (4) after each backward
        }
      } while (!reducer.finish());                                 // (5) .grad is the global sum
      optimiser.step();
      epoch_loss += reducer.scalars()[0];
    }
    if (world.rank() == 0)
      std::printf("epoch %d loss %.17g\n", epoch, epoch_loss * kSamplesAStep / kSamples);
  }
  regatta::check_parameters_equal(model.parameters(), world);      // replicas have not diverged
  if (world.rank() == 0)
    std::printf("digest %s\n", digest(model.parameters()).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  regatta::MpiSession session(&argc, &argv);
  try {
    train(session.world(), argc > 1 ? std::atoi(argv[1]) : 10);
  } catch (const std::exception& error) {
    // Said before the session ends: others may wait for this rank, so it takes them along.
    std::fprintf(stderr, "rank %d: %s\n", session.world().rank(), error.what());
    session.world().abort(1);
  }
  return 0;
}
