#include "cli/stop_signals.h"

#include <atomic>

namespace regatta {
namespace {

std::atomic<StopRequest*> receiver{nullptr};

void receive(int signal) {
  StopRequest* request = receiver.load();
  const bool again = request == nullptr || request->requested();
  if (request != nullptr)
    request->set(signal);
  if (signal == SIGINT && again) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
}

}  // namespace

StopSignals::StopSignals(StopRequest& request) {
  receiver = &request;
  struct sigaction action {};
  action.sa_handler = receive;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaction(signal, &action, &before_[signal]);
  // The launchers block SIGUSR1, which would end a process that has no handler yet.
  sigset_t all;
  sigemptyset(&all);
  for (const auto& [signal, before] : before_) sigaddset(&all, signal);
  pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
}

StopSignals::~StopSignals() {
  for (const auto& [signal, action] : before_) sigaction(signal, &action, nullptr);
  receiver = nullptr;
}

}  // namespace regatta
