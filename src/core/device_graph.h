// DeviceGraph: launches that are recorded once and replayed as one.
#pragma once

namespace regatta {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// From here to end(), launches on the current stream are recorded and not run. Memory of tensors
  /// made meanwhile is the graph's own: it is not given to others while the graph lives.
  virtual void begin() = 0;
  virtual void end() = 0;
  /// Runs what was recorded, on the current stream; waits for nothing. Pointers and numbers are
  /// those of the recording, what they point to is read anew.
  virtual void replay() = 0;
};

}  // namespace regatta
