#pragma once

#include <string>

#include "kaem/train/run.h"

namespace kaem {

/// meta.json of a new run.
std::string first_session_json(const Config& config, const RunMeta& meta);

/// meta.json (`before`: its text, `path` for messages) with one more entry in "resumed"; warns of differences that
/// change numbers.
std::string next_session_json(const std::string& before, const std::string& path, int64_t step, const RunMeta& meta);

/// meta.json of a run that was made of update `step` of the run `from`, whose meta.json is `before` (`path` for
/// messages): the same with "derived".
std::string derived_json(const std::string& before, const std::string& path, const std::string& from, int64_t step,
                         const std::string& command_line);

/// True if the run whose meta.json is `text` was made of another's and has not been trained since.
bool is_newly_derived(const std::string& text);

/// True unless the meta.json `text` names data that are not among `sources` (paths and SHA-256).
bool names_data(const std::string& text, const std::vector<std::pair<std::string, std::string>>& sources);

}  // namespace kaem
