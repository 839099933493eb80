#pragma once

#include <cstdint>
#include <functional>
#include <string>

/// Several processes that train one model: who they are, and what they tell each other.
namespace kaem::dist {

/// This process among those that were started together.
struct Place {
  int64_t rank = 0, size = 1;              ///< of all
  int64_t local_rank = 0, local_size = 1;  ///< of those on this machine
  std::string address;                     ///< of the machine of rank 0
  int64_t port = 0;                        ///< where they meet
  bool hosted = false;                     ///< the launcher has opened the meeting point; else rank 0 does
  double patience = 120;                   ///< seconds until all must have come
  std::string attempt;  ///< which start of the same group this is, as launchers that start again count
};

/// What the launcher says: torchrun (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), srun (SLURM_PROCID, ...)
/// or mpirun of Open MPI (OMPI_COMM_WORLD_RANK, ...), which need MASTER_ADDR where there are several machines.
/// `variable` looks a variable of the environment up (null: it is not set). KAEM_MEETING_SECONDS sets `patience`.
/// Without a launcher: one process. UsageError if the variables contradict each other.
Place place_of(const std::function<const char*(const char*)>& variable);
Place place_here();

}  // namespace kaem::dist
