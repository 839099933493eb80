#pragma once

#include <string>

#include "kaem/train/run.h"

namespace kaem {

/// meta.json of a new run.
std::string first_session_json(const Config& config, const RunMeta& meta);

/// meta.json (`before`: its text, `path` for messages) with one more entry in "resumed"; warns of differences that
/// change numbers.
std::string next_session_json(const std::string& before, const std::string& path, int64_t step, const RunMeta& meta);

}  // namespace kaem
