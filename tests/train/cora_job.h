// Cora as shipped, preprocessed into a folder of its own, and the published job on it: what the
// training tests share.
#pragma once

#include "comm/communicator.h"
#include "train/train_options.h"

#include <string>

namespace regatta::testing {

/// A folder under the system's temporary folder that every rank of `world` knows and rank 0 removes
/// at the end.
class SharedFolder {
 public:
  SharedFolder(const std::string& name, Communicator& world);
  ~SharedFolder();
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Communicator& world_;
};

/// Preprocesses the shipped Cora files into FOLDER (collective) with exact halos of two hops.
void make_cora(const std::string& folder,
               std::int64_t chunks,
               Communicator& world,
               const std::string& order = "none");

/// The published two-layer model (three dropouts of 0.6, Adam) for `epochs` epochs.
TrainJob cora_job(std::int64_t epochs);

}  // namespace regatta::testing
