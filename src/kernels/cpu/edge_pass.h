// A pass over the edges of items that is set up once: it then runs over all of them, or over a few
// at a time in turns with other passes.
#pragma once

#include "kernels/cpu/edge_pieces.h"

namespace regatta::cpu {

class EdgePass {
 public:
  EdgePass() = default;
  EdgePass(const EdgePass&) = delete;
  EdgePass& operator=(const EdgePass&) = delete;
  virtual ~EdgePass() = default;

  /// Over all items, on all threads.
  virtual void run() const = 0;
  /// Over items that are no hubs, on this thread. What goes past the caches is for others to read
  /// after hwy::FlushStream().
  virtual void run_items(const EdgePiece& piece) const = 0;
};

/// `Body` keeps a reference to the arguments it is made of; its run takes EdgePieces.
template <class Arguments, class Body>
class EdgePassOf final : public EdgePass {
 public:
  explicit EdgePassOf(const Arguments& arguments) : arguments_(arguments), body_(arguments_) {}
  void run() const override { body_.run(EdgePieces(arguments_.edges)); }
  void run_items(const EdgePiece& piece) const override { body_.run_items(piece); }

 private:
  Arguments arguments_;
  Body body_;
};

}  // namespace regatta::cpu
