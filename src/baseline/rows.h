#pragma once

// The rows of the table, each in its own file.

#include "kaem/baseline/baselines.h"

namespace kaem::baseline {

BaselineRow vae_row();
BaselineRow pang_row();
BaselineRow ddpm_row();
BaselineRow gan_row();

}  // namespace kaem::baseline
