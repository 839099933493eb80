#include "kaem/dist/place.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::dist {
namespace {

constexpr int64_t kPort = 29500;  // torchrun's
using Variables = std::function<const char*(const char*)>;

/// What a launcher calls them. `size` is what says that it is at work.
struct Launcher {
  const char *rank, *size, *local_rank, *local_size;
};
// SLURM_NTASKS and SLURM_PROCID stand in a batch script too, where no srun has started anything.
constexpr Launcher kLaunchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"}};

int64_t number(const Variables& variable, const char* name, int64_t least, int64_t most) {
  const char* text = variable(name);
  const auto fail = [&] {
    throw UsageError(str(name, "=", text == nullptr ? "" : text, ": expected a number in ", least, "..", most,
                         ", as launchers such as torchrun set it"));
  };
  if (text == nullptr) fail();
  const std::string_view all = text;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (error != std::errc() || end != all.data() + all.size() || value < least || value > most) fail();
  return value;
}

/// SLURM writes "4(x2),3": the first number is of the first machine, which is good enough to share its cores.
int64_t first_number(const Variables& variable, const char* name, int64_t otherwise) {
  const char* text = variable(name);
  if (text == nullptr) return otherwise;
  const std::string_view all = text;
  int64_t value = otherwise;
  std::from_chars(all.data(), all.data() + all.size(), value);
  return value;
}

}  // namespace

Place place_of(const Variables& variable) {
  constexpr int64_t kMost = 1 << 20;
  for (const Launcher& launcher : kLaunchers) {
    if (variable(launcher.size) == nullptr) continue;
    Place place;
    place.size = number(variable, launcher.size, 1, kMost);
    if (place.size == 1) return {};
    place.rank = number(variable, launcher.rank, 0, place.size - 1);
    place.local_rank =
        variable(launcher.local_rank) == nullptr ? 0 : number(variable, launcher.local_rank, 0, place.size - 1);
    place.local_size = first_number(variable, launcher.local_size, 1);
    const char* address = variable("MASTER_ADDR");
    if (address == nullptr && place.local_size < place.size)
      throw UsageError(str("MASTER_ADDR is not set: ", place.size,
                           " processes on several machines need the name of the machine of rank 0"));
    place.address = address == nullptr ? "127.0.0.1" : address;
    place.port = variable("MASTER_PORT") == nullptr ? kPort : number(variable, "MASTER_PORT", 1, 65535);
    const char* hosted = variable("TORCHELASTIC_USE_AGENT_STORE");
    place.hosted = hosted != nullptr && std::string_view(hosted) == "True";
    if (variable("KAEM_MEETING_SECONDS") != nullptr)
      place.patience = static_cast<double>(number(variable, "KAEM_MEETING_SECONDS", 1, 86400));
    const char* attempt = variable("TORCHELASTIC_RESTART_COUNT");
    place.attempt = attempt == nullptr ? "0" : attempt;
    return place;
  }
  return {};
}

Place place_here() {
  return place_of([](const char* name) { return std::getenv(name); });
}

}  // namespace kaem::dist
