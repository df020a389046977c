#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpira/atlas/accessibility.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/genome/fasta.hpp"
#include "mpira/genome/regions.hpp"
#include "mpira/genome/scan_model.hpp"

/// The files that settings of `features` name, read and checked against each other. Usage errors name file or
/// key.
namespace mpira::jobs {

/// genome.fasta; nothing where it isn't given, which only motifs.hits allows.
std::optional<genome::Fasta> open_genome(Settings const& settings);

/// Of genome.chrom_sizes, else of the FASTA; lengths must agree.
genome::ChromSizes read_chroms(Settings const& settings, std::optional<genome::Fasta> const& fasta);

/// regions.states: a state a region, "" where the file has none; empty without the setting.
std::vector<std::string> read_states(Settings const& settings, genome::ChromSizes const& chroms,
                                     std::span<genome::Region const> regions);

/// Motifs, clusters, background and threshold.
genome::ScanModel make_scan_model(Settings const& settings, genome::Fasta& fasta);

/// Refuses counts (mpira counts) that say another assembly than genome.assembly.
void require_assembly_of(std::filesystem::path const& counts, Settings const& settings);

/// By peak files or a table; no cell types where neither is given. `names`: of the regions, or empty.
atlas::Accessibility read_accessibility(Settings const& settings, genome::ChromSizes const& chroms,
                                        std::span<genome::Region const> regions,
                                        std::span<std::string const> names);

/// What the columns of varm/scale are maxima over: "all_regions", and by setting each cell type.
std::vector<std::string> scale_sets_of(Settings const& settings, atlas::Accessibility const& accessibility);

}  // namespace mpira::jobs
