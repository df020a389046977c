#pragma once

#include <vector>

#include "mpira/base/settings.hpp"

namespace mpira::jobs {

/// Motif-motif networks from the results of `jacobian`: Spearman's correlation of each cell type and of all
/// together, DirectLiNGAM on a sample of genes, with bootstraps. A unit is one network.
///
/// Row of the result: X, how strongly a motif is tied to the others (sum of absolute weights); obsm/network,
/// the (motifs, motifs) matrix; obsm/order. varp: the pooled networks, and how often each causal edge was
/// found in bootstraps.
std::vector<SettingSpec> network_settings();

}  // namespace mpira::jobs
