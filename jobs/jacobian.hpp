#pragma once

#include <vector>

#include "mpira/base/settings.hpp"

#include "jobs/device_settings.hpp"

namespace mpira::jobs {

/// What each feature around a gene contributes to its predicted transcription, for every gene and cell type
/// (Fu et al. 2025; spec/get.md 3). A unit is a block of (gene, region) rows.
///
/// Row i of the result: X, the attributions summed over the regions of its window (or another summary of
/// them), a value a motif and one for accessibility; layers, further summaries; obsm/region_..., a value a
/// region as rows of a sparse matrix over the atlas's regions; optionally the whole Jacobian.
/// uns/gene_by_motif: the rows of each gene as one.
std::vector<SettingSpec> jacobian_settings();

inline DeviceSize const kJacobianUnit{"units.rows", 16, 1024};

}  // namespace mpira::jobs
