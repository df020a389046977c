#include "store/hdf5.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <sys/stat.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/store/file_io.hpp"

namespace mpira::store::h5 {
namespace {

herr_t collect(unsigned depth, H5E_error2_t const* frame, void* into) {
    auto& text = *static_cast<std::string*>(into);
    if (frame->desc == nullptr || text.size() > 1000) return 0;
    if (depth == 0) text += fmt::format("{}: ", frame->func_name != nullptr ? frame->func_name : "HDF5");
    if (depth > 0) text += " <- ";
    text += frame->desc;
    return 0;
}

/// Strings that HDF5 allocated, given back to it.
class Reclaimed {
public:
    Reclaimed(hid_t type, hid_t space, std::size_t count) : type_(type), space_(space), values_(count) {}
    Reclaimed(Reclaimed const&) = delete;
    Reclaimed& operator=(Reclaimed const&) = delete;
    ~Reclaimed() { H5Dvlen_reclaim(type_, space_, H5P_DEFAULT, values_.data()); }
    [[nodiscard]] std::vector<char*>& values() { return values_; }

private:
    hid_t type_;
    hid_t space_;
    std::vector<char*> values_;
};

std::vector<std::string> read_text_attribute(hid_t object, char const* name) {
    if (H5Aexists(object, name) <= 0) return {};
    Attribute const attribute(check(H5Aopen(object, name, H5P_DEFAULT), "opening an attribute"));
    Datatype const type(check(H5Aget_type(attribute.get()), "reading an attribute's type"));
    if (H5Tget_class(type.get()) != H5T_STRING) return {};
    Space const space(check(H5Aget_space(attribute.get()), "reading an attribute's shape"));
    auto const points = check(H5Sget_simple_extent_npoints(space.get()), "reading an attribute's shape");
    if (points == 0) return {};
    constexpr std::int64_t kMost = 1 << 20;
    if (points > kMost) return {};
    auto const count = static_cast<std::size_t>(points);
    std::vector<std::string> texts;
    if (check(H5Tis_variable_str(type.get()), "reading an attribute's type") > 0) {
        Reclaimed strings(type.get(), space.get(), count);
        check(H5Aread(attribute.get(), type.get(), strings.values().data()), "reading an attribute");
        for (char const* text : strings.values()) texts.emplace_back(text != nullptr ? text : "");
        return texts;
    }
    std::size_t const width = H5Tget_size(type.get());
    if (width > kMost) return {};
    std::string buffer(width * count, '\0');
    check(H5Aread(attribute.get(), type.get(), buffer.data()), "reading an attribute");
    for (std::size_t i = 0; i < count; ++i) {
        auto const text = std::string_view(buffer).substr(i * width, width);
        texts.emplace_back(text.substr(0, text.find('\0')));
    }
    return texts;
}

}  // namespace

void silence() {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::string take_errors() {
    std::string text;
    hid_t const stack = H5Eget_current_stack();  // also clears it
    if (stack < 0) return "no details";
    H5Ewalk2(stack, H5E_WALK_DOWNWARD, collect, &text);
    H5Eclose_stack(stack);
    return text.empty() ? "no details" : text;
}

void check_code(std::int64_t code, std::string_view doing, std::source_location where) {
    if (code < 0) throw Error(Origin::hdf5, fmt::format("{}: {}", doing, take_errors()), where);
}

File open_to_read(std::filesystem::path const& file) {
    silence();
    open_existing(file, false);  // a plain message for a missing file, a folder, or no permission
    Properties const access(check(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate"));
    check(H5Pset_file_locking(access.get(), false, true), "H5Pset_file_locking");
    // Nothing is kept: a campaign may be writing the rows beside those that are read.
    check(H5Pset_sieve_buf_size(access.get(), 0), "H5Pset_sieve_buf_size");
    File opened(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()));
    if (opened.get() < 0) {
        fail_usage(fmt::format("{} can't be read as an HDF5 file (is it complete, and an .h5ad?): {}",
                               file.string(), take_errors()));
    }
    return opened;
}

Datatype stored_type(Type type) {
    switch (type) {
        case Type::boolean: {
            Datatype boolean(check(H5Tenum_create(H5T_STD_I8LE), "H5Tenum_create"));
            std::int8_t value = 0;
            check(H5Tenum_insert(boolean.get(), "FALSE", &value), "H5Tenum_insert");
            value = 1;
            check(H5Tenum_insert(boolean.get(), "TRUE", &value), "H5Tenum_insert");
            return boolean;
        }
        case Type::u8:
            return Datatype(check(H5Tcopy(H5T_STD_U8LE), "H5Tcopy"));
        case Type::i32:
            return Datatype(check(H5Tcopy(H5T_STD_I32LE), "H5Tcopy"));
        case Type::i64:
            return Datatype(check(H5Tcopy(H5T_STD_I64LE), "H5Tcopy"));
        case Type::f16: {
            // IEEE binary16, as numpy's float16: HDF5 1.10 has no name for it.
            Datatype half(check(H5Tcopy(H5T_IEEE_F32LE), "H5Tcopy"));
            check(H5Tset_fields(half.get(), 15, 10, 5, 0, 10), "H5Tset_fields");
            check(H5Tset_size(half.get(), 2), "H5Tset_size");
            check(H5Tset_ebias(half.get(), 15), "H5Tset_ebias");
            return half;
        }
        case Type::bf16: {
            Datatype half(check(H5Tcopy(H5T_IEEE_F32LE), "H5Tcopy"));
            check(H5Tset_fields(half.get(), 15, 7, 8, 0, 7), "H5Tset_fields");
            check(H5Tset_size(half.get(), 2), "H5Tset_size");
            check(H5Tset_ebias(half.get(), 127), "H5Tset_ebias");
            return half;
        }
        case Type::f32:
            return Datatype(check(H5Tcopy(H5T_IEEE_F32LE), "H5Tcopy"));
        case Type::f64:
            return Datatype(check(H5Tcopy(H5T_IEEE_F64LE), "H5Tcopy"));
    }
    throw Error(Origin::internal, "a type without a place in the file");
}

bool exists(hid_t at, std::string_view path) {
    for (std::size_t end = 0; end != std::string_view::npos && end < path.size();) {
        end = path.find('/', end + 1);
        std::string const part(path.substr(0, end));
        if (H5Lexists(at, part.c_str(), H5P_DEFAULT) <= 0) {
            H5Eclear2(H5E_DEFAULT);
            return false;
        }
        H5L_info_t link{};
        if (H5Lget_info(at, part.c_str(), &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
            H5Eclear2(H5E_DEFAULT);
            return false;
        }
    }
    return true;
}

std::string text_attribute(hid_t object, char const* name) {
    auto texts = read_text_attribute(object, name);
    return texts.size() == 1 ? std::move(texts.front()) : std::string();
}

std::vector<std::string> texts_attribute(hid_t object, char const* name) {
    return read_text_attribute(object, name);
}

Datatype text_type() {
    Datatype type(check(H5Tcopy(H5T_C_S1), "H5Tcopy"));
    check(H5Tset_size(type.get(), H5T_VARIABLE), "H5Tset_size");
    check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
    return type;
}

void write_attribute(hid_t object, char const* name, std::string const& text) {
    Datatype const type = text_type();
    Space const space(check(H5Screate(H5S_SCALAR), "H5Screate"));
    Attribute const attribute(
        check(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), "H5Acreate2"));
    char const* const value = text.c_str();
    check(H5Awrite(attribute.get(), type.get(), &value), "H5Awrite");
}

void write_attribute(hid_t object, char const* name, std::vector<std::string> const& texts) {
    Datatype const type = text_type();
    hsize_t const count = texts.size();
    Space const space(check(H5Screate_simple(1, &count, nullptr), "H5Screate_simple"));
    Attribute const attribute(
        check(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), "H5Acreate2"));
    std::vector<char const*> values;
    values.reserve(texts.size());
    for (auto const& text : texts) values.push_back(text.c_str());
    if (!values.empty()) check(H5Awrite(attribute.get(), type.get(), values.data()), "H5Awrite");
}

void write_attribute(hid_t object, char const* name, bool value) {
    Datatype const type = stored_type(Type::boolean);
    Space const space(check(H5Screate(H5S_SCALAR), "H5Screate"));
    Attribute const attribute(
        check(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), "H5Acreate2"));
    auto const byte = static_cast<std::int8_t>(value ? 1 : 0);
    check(H5Awrite(attribute.get(), type.get(), &byte), "H5Awrite");
}

void write_encoding(hid_t object, char const* type, char const* version) {
    write_attribute(object, "encoding-type", std::string(type));
    write_attribute(object, "encoding-version", std::string(version));
}

std::vector<std::uint64_t> shape_of(hid_t dataset) {
    Space const space(check(H5Dget_space(dataset), "H5Dget_space"));
    int const rank = check(H5Sget_simple_extent_ndims(space.get()), "H5Sget_simple_extent_ndims");
    std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
    check(H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr), "H5Sget_simple_extent_dims");
    return {dims.begin(), dims.end()};
}

}  // namespace mpira::store::h5
