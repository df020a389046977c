#pragma once

#include <htslib/hts_log.h>

namespace mpira::genome {

/// htslib writes its complaints to stderr; ours name file and line, so its are switched off meanwhile.
class QuietHtslib {
public:
    QuietHtslib() : before_(hts_get_log_level()) { hts_set_log_level(HTS_LOG_OFF); }
    ~QuietHtslib() { hts_set_log_level(before_); }
    QuietHtslib(QuietHtslib const&) = delete;
    QuietHtslib& operator=(QuietHtslib const&) = delete;

private:
    htsLogLevel before_;
};

}  // namespace mpira::genome
