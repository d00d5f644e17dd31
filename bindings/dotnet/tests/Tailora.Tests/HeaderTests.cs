using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.RegularExpressions;
using Tailora.Native;
using Xunit;

namespace Tailora.Tests;

/// <summary>The hand-written declarations against <c>include/tailora.h</c>: names, arity, types, codes.</summary>
public partial class HeaderTests
{
    /// <summary>Functions of the header that this binding has no use for.</summary>
    private static readonly string[] NotBound = ["tailora_error_code"];

    private static readonly string Header = Comment().Replace(File.ReadAllText(Repository.Header), " ");

    private static readonly Dictionary<string, string[]> Prototypes = Prototype().Matches(Header).ToDictionary(
        match => match.Groups["name"].Value,
        match => new[] { match.Groups["result"].Value + " result" }.Concat(Parameters(match.Groups["parameters"].Value)).ToArray());

    private static readonly Dictionary<string, MethodInfo> Declared = typeof(NativeMethods)
        .GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        .Where(method => method.Name.StartsWith("tailora_", StringComparison.Ordinal))
        .ToDictionary(method => method.Name);

    public static TheoryData<string> Functions => new(Declared.Keys.Order());

    [Fact]
    public void Every_function_of_the_header_is_declared()
    {
        Assert.True(Prototypes.Count > 30, $"only {Prototypes.Count} prototypes were read from the header");
        Assert.Equal(Prototypes.Keys.Except(NotBound).Order(), Declared.Keys.Order());
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void A_declaration_has_the_types_of_its_prototype(string name)
    {
        bool frees = name.EndsWith("_free", StringComparison.Ordinal);
        string[] expected = [.. Prototypes[name].Select((declaration, at) => Managed(declaration, isFreed: frees && at > 0))];
        MethodInfo method = Declared[name];
        string[] found = [$"{Name(method.ReturnType)} result", .. method.GetParameters().Select(parameter => $"{Name(parameter.ParameterType)} {parameter.Name}")];
        Assert.Equal(expected, found);
    }

    [Fact]
    public void Error_codes_are_those_of_the_header()
    {
        Dictionary<string, int> header = Define().Matches(Header).ToDictionary(
            match => match.Groups["name"].Value.Replace("_", "", StringComparison.Ordinal),
            match => int.Parse(match.Groups["value"].Value));
        Dictionary<string, int> managed = Enum.GetValues<TailoraErrorCode>()
            .Where(code => code != TailoraErrorCode.LibraryUnavailable)
            .ToDictionary(code => code.ToString().ToUpperInvariant(), code => (int)code);
        Assert.Equal(header.OrderBy(pair => pair.Key), managed.OrderBy(pair => pair.Key));
    }

    [Theory]
    [InlineData("TAILORA_DONE", NativeMethods.TAILORA_DONE)]
    [InlineData("TAILORA_STOPPED", NativeMethods.TAILORA_STOPPED)]
    [InlineData("TAILORA_ABI_MAJOR", (int)(NativeMethods.TAILORA_ABI_VERSION >> 16))]
    [InlineData("TAILORA_ABI_MINOR", (int)(NativeMethods.TAILORA_ABI_VERSION & 0xffff))]
    [InlineData("TAILORA_PHASE_LOAD", (int)WorkPhase.Load)]
    [InlineData("TAILORA_PHASE_PREPARE", (int)WorkPhase.Prepare)]
    [InlineData("TAILORA_PHASE_TRAIN", (int)WorkPhase.Train)]
    [InlineData("TAILORA_PHASE_VALIDATE", (int)WorkPhase.Validate)]
    [InlineData("TAILORA_PHASE_SAVE", (int)WorkPhase.Save)]
    [InlineData("TAILORA_PHASE_CALIBRATE", (int)WorkPhase.Calibrate)]
    [InlineData("TAILORA_PHASE_REPORT", (int)WorkPhase.Report)]
    [InlineData("TAILORA_LOG_ERROR", (int)TailoraLogLevel.Error)]
    [InlineData("TAILORA_LOG_WARN", (int)TailoraLogLevel.Warn)]
    [InlineData("TAILORA_LOG_INFO", (int)TailoraLogLevel.Info)]
    [InlineData("TAILORA_LOG_DEBUG", (int)TailoraLogLevel.Debug)]
    [InlineData("TAILORA_LOG_TRACE", (int)TailoraLogLevel.Trace)]
    public void Constants_are_those_of_the_header(string name, int value) =>
        Assert.Matches($@"#define {name} {value}\b", Header);

    [Fact]
    public void The_progress_struct_has_the_fields_of_the_header()
    {
        Match body = Regex.Match(Header, @"typedef struct \{(?<fields>[^}]*)\} tailora_progress;");
        Assert.True(body.Success);
        string[] header = [.. Regex.Matches(body.Groups["fields"].Value, @"(?<type>\w+)\s+(?<name>\w+);")
            .Select(field => $"{ManagedType(field.Groups["type"].Value)} {field.Groups["name"].Value.Replace("_", "", StringComparison.Ordinal)}")];
        string[] managed = [.. typeof(ProgressEvent).GetFields(BindingFlags.Instance | BindingFlags.NonPublic)
            .Select(field => $"{Name(field.FieldType)} {field.Name.ToLowerInvariant()}")];
        Assert.Equal(header, managed);
    }

    private static IEnumerable<string> Parameters(string list) =>
        list.Split(',').Select(parameter => parameter.Trim()).Where(parameter => parameter is not ("void" or ""));

    /// <summary>How a C declaration, <c>const char *path</c>, is written in C#.</summary>
    private static string Managed(string declaration, bool isFreed)
    {
        Match parts = Regex.Match(declaration, @"^(?<type>.*?)(?<name>\w+)$", RegexOptions.Singleline);
        string type = Regex.Replace(Regex.Replace(parts.Groups["type"].Value, @"\bconst\b", ""), @"\s+", "");
        return $"{(isFreed ? nameof(IntPtr) : ManagedType(type))} {parts.Groups["name"].Value}";
    }

    private static string ManagedType(string type) => type switch
    {
        "tailora_status" or "int32_t" => nameof(Int32),
        "uint32_t" => nameof(UInt32),
        "uint32_t*" => "UInt32*",
        "uint64_t" => nameof(UInt64),
        "double" => nameof(Double),
        "size_t" => nameof(UIntPtr),
        "char*" => "Byte*",
        "void*" => "Void*",
        "double*" => "Double*",
        "tailora_progress_fn" => "function pointer",
        "tailora_log_sink*" => "LogSink*",
        "char**" => "StringHandle& or Byte*&",
        "int32_t*" => "Int32&",
        "size_t*" => "UIntPtr&",
        "uint64_t*" => "UInt64&",
        "tailora_adapter**" => "AdapterHandle& or IntPtr*",
        _ when type.EndsWith("**", StringComparison.Ordinal) => HandleOf(type) + "&",
        _ when type.EndsWith('*') => HandleOf(type),
        _ => "no C# type is known for " + type,
    };

    private static string HandleOf(string type)
    {
        string noun = type.TrimEnd('*').Replace("tailora_", "", StringComparison.Ordinal);
        return char.ToUpperInvariant(noun[0]) + noun[1..] + "Handle";
    }

    private static string Name(Type type) => type switch
    {
        { IsFunctionPointer: true } => "function pointer",
        { Name: "StringHandle&" or "Byte*&" or "Byte**" } => "StringHandle& or Byte*&",
        { Name: "AdapterHandle&" or "IntPtr*" } => "AdapterHandle& or IntPtr*",
        _ => type.Name,
    };

    [GeneratedRegex(@"/\*.*?\*/|//[^\n]*", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^(?<result>[\w \*]+?)(?<name>tailora_\w+)\((?<parameters>[^)]*)\);", RegexOptions.Multiline)]
    private static partial Regex Prototype();

    [GeneratedRegex(@"#define TAILORA_ERR_(?<name>\w+) (?<value>-\d+)")]
    private static partial Regex Define();
}
