#include "kaem/baseline/baselines.h"

#include <algorithm>

#include "baseline/rows.h"
#include "kaem/core/table.h"

namespace kaem {

const std::vector<BaselineRow>& baselines() {
  static const std::vector<BaselineRow> rows = {baseline::vae_row(), baseline::pang_row(), baseline::ddpm_row(),
                                                baseline::gan_row()};
  return rows;
}

const BaselineRow* find_baseline(std::string_view mode) {
  const auto& rows = baselines();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return same_name(row.mode, mode); });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace kaem
