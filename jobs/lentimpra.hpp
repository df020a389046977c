#pragma once

#include <vector>

#include "mpira/base/settings.hpp"

#include "jobs/device_settings.hpp"

namespace mpira::jobs {

/// In-silico lentiMPRA: each element of a library is inserted at many places of the genome and the model is
/// read there (spec/get.md 4; Fu et al. 2025). A unit is a block of elements with all their insertions.
///
/// Row e of the result: X, the statistics of model::statistic_names (means, sds, standard errors for each
/// output, for both controls and for the paired differences to them); obsm/features, the element's scaled
/// motif vector; obs/insertions, no_motif (that vector is all 0) and cut_to_middle (longer than the scan);
/// optionally obsm/raw (insertions x outputs). What an element's row holds depends on the seed, the element's
/// number and sequence, the models and the atlas alone.
std::vector<SettingSpec> lentimpra_settings();

/// A GPU is busy from some 128 windows of 200 regions on; 200 divide the paper's 600 insertions evenly.
inline DeviceSize const kInsertionBatch{"model.micro_batch", 32, 200};

}  // namespace mpira::jobs
