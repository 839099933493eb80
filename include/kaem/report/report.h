#pragma once

#include <string>
#include <vector>

/// Pages that a browser shows: what a run was, what came of it, and how to make it again. docs/file-formats.md.
namespace kaem::report {

/// Name of a run's own page in its folder.
inline constexpr const char* kReportFile = "report.html";

/// One self-contained page (no file and no network is needed to show it) of one run, or of several on the same data
/// beside each other. Reads the folders alone, on the CPU; UsageError as RunFolder::open.
std::string page_of(const std::vector<std::string>& runs);

/// Writes the page of one run into its folder; returns its path.
std::string write_page(const std::string& run);

}  // namespace kaem::report
