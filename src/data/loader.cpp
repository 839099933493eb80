#include "kaem/data/loader.h"

#include <omp.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace kaem {

struct BatchLoader::Worker {
  Worker(const Dataset& dataset, int64_t size, const Rng& random, bool pin)
      : data(dataset), batch_size(size), rng(random), pinned(pin), thread([this] { work(); }) {}

  ~Worker() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    thread.join();
  }

  LoadedBatch get(int64_t step) {
    std::unique_lock lock(mutex);
    if (wanted != step) ask(lock, step);
    changed.wait(lock, [&] { return ready; });
    if (failure) {
      const std::exception_ptr thrown = std::exchange(failure, nullptr);
      wanted.reset();  // asking again tries again
      std::rethrow_exception(thrown);
    }
    LoadedBatch batch = std::move(made);
    ask(lock, step + 1);
    return batch;
  }

 private:
  /// Waits for the batch in work, if there is one, and begins another.
  void ask(std::unique_lock<std::mutex>& lock, int64_t step) {
    changed.wait(lock, [&] { return ready || !wanted; });
    wanted = step, ready = false, failure = nullptr;
    changed.notify_all();
  }

  void work() {
    // The training's threads are busy: what is left to parallelise here must not start as many again.
    omp_set_num_threads(1);
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stopping || (wanted && !ready); });
      if (stopping) return;
      const int64_t step = *wanted;
      lock.unlock();
      LoadedBatch batch;
      std::exception_ptr thrown;
      try {
        batch = {data.batch(step, batch_size, rng), data.batch_index(step, batch_size, rng)};
        if (pinned) batch.x = batch.x.pin_memory();
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      made = std::move(batch), failure = thrown, ready = true;
      changed.notify_all();
    }
  }

  const Dataset& data;
  const int64_t batch_size;
  const Rng rng;
  const bool pinned;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<int64_t> wanted;  ///< step in work or made
  bool ready = false, stopping = false;
  LoadedBatch made;
  std::exception_ptr failure;
  std::thread thread;  // last: it uses all of the above
};

BatchLoader::BatchLoader(const Dataset& data, int64_t batch_size, const Rng& rng, bool pinned)
    : worker_(std::make_unique<Worker>(data, batch_size, rng, pinned)) {}

BatchLoader::~BatchLoader() = default;

LoadedBatch BatchLoader::get(int64_t step) { return worker_->get(step); }

}  // namespace kaem
