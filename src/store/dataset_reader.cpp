#include "store/dataset_reader.hpp"

#include <algorithm>
#include <limits>

namespace mpira::store {
namespace {

/// No HDF5 filter of ours or anndata's packs tighter: deflate's bound is 1032 : 1.
constexpr std::uint64_t kTightestPacking = 1100;

}  // namespace

std::optional<FoundType> find_type(hid_t stored) {
    auto const with_exactness = [&](Type type) {
        return FoundType{type, H5Tequal(stored, h5::stored_type(type).get()) > 0};
    };
    std::size_t const size = H5Tget_size(stored);
    switch (H5Tget_class(stored)) {
        case H5T_ENUM:
            if (size != 1) return std::nullopt;
            return FoundType{Type::boolean, true};
        case H5T_INTEGER: {
            bool const is_signed = H5Tget_sign(stored) == H5T_SGN_2;
            if (size == 1 && !is_signed) return with_exactness(Type::u8);
            if (size < 4 || (size == 4 && is_signed)) return with_exactness(Type::i32);
            if (size <= 8) return with_exactness(Type::i64);
            return std::nullopt;
        }
        case H5T_FLOAT:
            if (size == 2 && with_exactness(Type::bf16).exact) return FoundType{Type::bf16, true};
            if (size == 2) return with_exactness(Type::f16);
            if (size == 4) return with_exactness(Type::f32);
            if (size == 8) return with_exactness(Type::f64);
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

std::string_view numpy_name(Type type) {
    switch (type) {
        case Type::boolean:
            return "boolean";
        case Type::u8:
            return "uint8";
        case Type::i32:
            return "int32";
        case Type::i64:
            return "int64";
        case Type::f16:
            return "float16";
        case Type::bf16:
            return "bfloat16";
        case Type::f32:
            return "float32";
        case Type::f64:
            return "float64";
    }
    return "?";
}

DatasetReader::DatasetReader(std::filesystem::path const& file)
    : path_(file), file_(h5::open_to_read(file)), file_bytes_(std::filesystem::file_size(file)) {}

void DatasetReader::refuse(std::string_view object, std::string_view what) const {
    fail_usage(fmt::format("{}: {}: {}", path_.string(), object, what));
}

h5::Object DatasetReader::open(std::string_view object) const {
    if (!h5::exists(file_.get(), object)) refuse(object, "is not in the file");
    return h5::Object(h5::check(H5Oopen(file_.get(), std::string(object).c_str(), H5P_DEFAULT), "opening"));
}

h5::Object DatasetReader::open_dataset(std::string_view object) const {
    auto opened = open(object);
    if (H5Iget_type(opened.get()) == H5I_DATASET) return opened;
    std::string const kind = h5::text_attribute(opened.get(), "encoding-type");
    refuse(object,
           fmt::format("is {}, not a dense array", kind.empty() ? std::string("a group") : "a " + kind));
}

bool DatasetReader::is_group(std::string_view object) const {
    return about(object, [&] { return H5Iget_type(open(object).get()) == H5I_GROUP; });
}

std::string DatasetReader::encoding(std::string_view object) const {
    return about(object, [&] { return h5::text_attribute(open(object).get(), "encoding-type"); });
}

std::shared_ptr<MappedFile> DatasetReader::map() {
    if (mapping_ == nullptr) mapping_ = std::make_shared<MappedFile>(path_);
    return mapping_;
}

void DatasetReader::require_plausible(std::string_view object, hid_t dataset,
                                      std::span<std::uint64_t const> shape,
                                      std::uint64_t element_bytes) const {
    std::uint64_t bytes = element_bytes;
    for (std::uint64_t const extent : shape) {
        if (extent == 0) return;
        if (bytes > std::numeric_limits<std::uint64_t>::max() / extent) bytes = 0;
        if (bytes == 0) break;
        bytes *= extent;
    }
    std::uint64_t const stored = std::min<std::uint64_t>(H5Dget_storage_size(dataset), file_bytes_);
    if (bytes == 0 || bytes / kTightestPacking > stored + 4096)
        refuse(object, fmt::format("claims more values than {} bytes of file can hold", file_bytes_));
}

ArrayInfo DatasetReader::info(std::string_view object) const {
    return about(object, [&] {
        auto const dataset = open_dataset(object);
        return info_of(object, dataset.get());
    });
}

ArrayInfo DatasetReader::info_of(std::string_view object, hid_t dataset) const {
    h5::Datatype const stored(h5::check(H5Dget_type(dataset), "H5Dget_type"));
    auto const found = find_type(stored.get());
    if (!found) refuse(object, "is not an array of numbers");
    ArrayInfo info{found->type, h5::shape_of(dataset), std::nullopt};
    require_plausible(object, dataset, info.shape, H5Tget_size(stored.get()));
    h5::Properties const plan(h5::check(H5Dget_create_plist(dataset), "H5Dget_create_plist"));
    if (!found->exact || H5Pget_layout(plan.get()) != H5D_CONTIGUOUS ||
        H5Pget_external_count(plan.get()) != 0)
        return info;
    haddr_t const offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF) {
        H5Eclear2(H5E_DEFAULT);
        return info;
    }
    std::uint64_t const bytes = info.size() * size_of(info.type);
    if (offset > file_bytes_ || bytes > file_bytes_ - offset)
        refuse(object, "reaches beyond the end of the file: it was cut off");
    info.offset = offset;
    return info;
}

std::vector<std::string> DatasetReader::string_array(std::string_view object) const {
    auto const opened = open_dataset(object);
    hid_t const dataset = opened.get();
    h5::Datatype const stored(h5::check(H5Dget_type(dataset), "H5Dget_type"));
    if (H5Tget_class(stored.get()) != H5T_STRING) refuse(object, "is not an array of strings");
    auto const shape = h5::shape_of(dataset);
    std::size_t const width = H5Tget_size(stored.get());
    require_plausible(object, dataset, shape, width);
    std::size_t const count =
        std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
    std::vector<std::string> strings;
    if (count == 0) return strings;
    strings.reserve(count);
    if (h5::check(H5Tis_variable_str(stored.get()), "H5Tis_variable_str") > 0) {
        h5::Space const space(h5::check(H5Dget_space(dataset), "H5Dget_space"));
        std::vector<char*> values(count, nullptr);
        auto const read = H5Dread(dataset, stored.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
        if (read >= 0)
            for (char const* value : values) strings.emplace_back(value != nullptr ? value : "");
        std::string const errors = read < 0 ? h5::take_errors() : std::string();
        H5Dvlen_reclaim(stored.get(), space.get(), H5P_DEFAULT, values.data());
        if (read < 0) refuse(object, fmt::format("can't be read ({})", errors));
        return strings;
    }
    std::vector<char> buffer(width * count);
    h5::check(H5Dread(dataset, stored.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()), "H5Dread");
    for (std::size_t i = 0; i < count; ++i) {
        std::string_view const value(buffer.data() + i * width, width);
        strings.emplace_back(value.substr(0, value.find('\0')));
    }
    return strings;
}

std::vector<std::string> DatasetReader::members(std::string_view group) const {
    h5::Group const opened(h5::check(
        H5Gopen2(file_.get(), group.empty() ? "/" : std::string(group).c_str(), H5P_DEFAULT), "opening"));
    std::vector<std::string> names;
    auto const collect = [](hid_t, char const* name, H5L_info_t const* link, void* into) -> herr_t {
        if (link->type == H5L_TYPE_HARD) static_cast<std::vector<std::string>*>(into)->emplace_back(name);
        return 0;
    };
    h5::check(H5Literate(opened.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names), "listing");
    return names;
}

}  // namespace mpira::store
