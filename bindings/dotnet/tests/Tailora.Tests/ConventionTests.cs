using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using System.Xml.Linq;
using Tailora.Native;
using Xunit;

namespace Tailora.Tests;

/// <summary>What holds for the whole public surface, now and for what is added to it.</summary>
public class ConventionTests
{
    private static readonly Assembly Library = typeof(LanguageModel).Assembly;

    private static IEnumerable<MethodInfo> Methods => Library.GetExportedTypes().SelectMany(type =>
        type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly));

    [Fact]
    public void Every_async_method_takes_an_optional_cancellation_token_last()
    {
        MethodInfo[] methods = [.. Methods.Where(method => method.Name.EndsWith("Async", StringComparison.Ordinal))];
        Assert.NotEmpty(methods);
        Assert.All(methods, method =>
        {
            ParameterInfo last = method.GetParameters()[^1];
            Assert.Equal(typeof(CancellationToken), last.ParameterType);
            Assert.True(last.IsOptional, $"{method.DeclaringType!.Name}.{method.Name}");
        });
    }

    [Fact]
    public void What_returns_a_task_says_so_in_its_name() =>
        Assert.All(
            Methods.Where(method => typeof(Task).IsAssignableFrom(method.ReturnType)),
            method => Assert.EndsWith("Async", method.Name, StringComparison.Ordinal));

    [Fact]
    public void Every_public_type_and_member_is_documented()
    {
        XDocument file = XDocument.Load(Path.Combine(AppContext.BaseDirectory, "Tailora.xml"));
        HashSet<string> documented = [.. file.Descendants("member")
            .Where(member => member.Elements().Any(element => element.Name == "inheritdoc" || element.Value.Trim().Length > 0))
            .Select(member => member.Attribute("name")!.Value)];
        Assert.All(Library.GetExportedTypes(), type => Assert.Contains("T:" + type.FullName!.Replace('+', '.'), documented));
        Assert.All(
            Library.GetExportedTypes().SelectMany(type => type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)),
            property => Assert.Contains($"P:{property.DeclaringType!.FullName}.{property.Name}", documented));
    }

    [Fact]
    public void No_pointer_and_no_handle_is_public() =>
        Assert.All(Methods, method => Assert.All(
            method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType),
            type => Assert.False(type.IsPointer || type == typeof(IntPtr) || typeof(SafeHandle).IsAssignableFrom(type), $"{method.Name}: {type}")));

    [Fact]
    public void Classes_are_sealed_unless_made_for_inheritance() =>
        Assert.All(
            Library.GetExportedTypes().Where(type => type.IsClass && type != typeof(TailoraException)),
            type => Assert.True(type.IsSealed, type.Name));

    [Fact]
    public void No_static_constructor_can_throw() =>
        Assert.All(
            new[] { typeof(NativeLoader), typeof(NativeMethods), typeof(LanguageModel), typeof(Dataset), typeof(Adapter), typeof(TailoraNative) },
            type => Assert.True(type.TypeInitializer is null || type.Attributes.HasFlag(TypeAttributes.BeforeFieldInit), type.Name));

    [Fact]
    public void Signatures_are_blittable_but_for_handles() =>
        Assert.All(
            typeof(NativeMethods).GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
                .Where(method => method.Name.StartsWith("tailora_", StringComparison.Ordinal))
                .SelectMany(method => method.GetParameters())
                .Select(parameter => parameter.ParameterType.IsByRef ? parameter.ParameterType.GetElementType()! : parameter.ParameterType),
            type => Assert.True(
                type.IsPointer || type.IsFunctionPointer || typeof(NativeHandle).IsAssignableFrom(type)
                || type == typeof(int) || type == typeof(uint) || type == typeof(ulong) || type == typeof(double) || type == typeof(nuint) || type == typeof(nint),
                type.ToString()));
}
