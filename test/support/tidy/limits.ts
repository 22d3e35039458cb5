/** Sizes of files, functions, folders and lines; header comments; and the README of each folder of `src/`. */
import type { FunctionSpan, SourceFile } from './source.ts';
import { cFunctions, functions } from './source.ts';

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;
const FOLDER_FILES_MAX = 15;
const LINE_CHARS_MAX = 120;
const README_LINES_MAX = 60;

const isTypeScript = (path: string): boolean => path.endsWith('.ts');
const isC = (path: string): boolean => /^native\/.*\.[ch]$/.test(path);
const isScript = (path: string): boolean => /^(?:bin|scripts|\.ci)\//.test(path) && !path.endsWith('.json');
const isProgram = (path: string): boolean => isTypeScript(path) || isC(path) || isScript(path);

export function sizeViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!isProgram(file.path)) continue;
    if (file.lines.length > FILE_LINES_MAX) {
      found.push(`${file.path}: ${file.lines.length} lines; a file has at most ${FILE_LINES_MAX}`);
    }
    for (const [index, line] of file.lines.entries()) {
      if (line.length <= LINE_CHARS_MAX) continue;
      found.push(`${file.path}:${index + 1}: a line has at most ${LINE_CHARS_MAX} characters`);
    }
    for (const { name, line, lineCount } of functionsOf(file)) {
      if (lineCount <= FUNCTION_LINES_MAX) continue;
      found.push(
        `${file.path}:${line}: ${name} has ${lineCount} lines; a function has at most ${FUNCTION_LINES_MAX}`,
      );
    }
  }
  return found;
}

function functionsOf(file: SourceFile): FunctionSpan[] {
  if (isC(file.path)) return cFunctions(file);
  if (!isTypeScript(file.path)) return [];
  // A test that holds other tests is a chapter, not a function.
  return functions(file).filter(({ body }) => !/\b\w+\.test\(/.test(body));
}

export function folderViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const [folder, own] of sourceFolders(files)) {
    if (own.length > FOLDER_FILES_MAX) {
      found.push(`${folder}: ${own.length} files; a folder has at most ${FOLDER_FILES_MAX}`);
    }
  }
  return found;
}

export function headerViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    const isHeaded =
      file.text.startsWith('/**') || (isScript(file.path) && /^(?:#!.*\n)?(?:#|\/\/|\/\*)/.test(file.text));
    const wantsHeader = isProgram(file.path) && !/^bin\/|\.test\.ts$/.test(file.path);
    if (wantsHeader && !isHeaded && !(isC(file.path) && file.text.startsWith('/*'))) {
      found.push(`${file.path}: begins without a comment that says what the file is`);
    }
  }
  return found;
}

/** The files of an inner folder are named in its own README or, while they are few, in that of the folder above. */
export function readmeViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  const readmes = new Map(
    files.filter(({ path }) => path.endsWith('/README.md')).map((file) => [file.path, file]),
  );
  for (const [folder, own] of sourceFolders(files)) {
    const outer = folder.split('/').slice(0, 2).join('/');
    const readme = readmes.get(`${folder}/README.md`) ?? readmes.get(`${outer}/README.md`);
    if (readme === undefined) {
      found.push(`${outer}: has no README.md`);
      continue;
    }
    if (readme.lines.length > README_LINES_MAX) {
      found.push(`${readme.path}: ${readme.lines.length} lines; at most ${README_LINES_MAX}`);
    }
    for (const path of own) {
      const stem = path.slice(folder.length + 1, -'.ts'.length);
      const named = new RegExp(`(?<![\\w-])${stem}(?![\\w-])`);
      if (!named.test(readme.text)) found.push(`${readme.path}: does not name ${stem}.ts`);
    }
  }
  return found;
}

/** The TypeScript files of each folder below `src/`. */
function sourceFolders(files: readonly SourceFile[]): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const { path } of files) {
    const folder = path.slice(0, path.lastIndexOf('/'));
    if (!isTypeScript(path) || !folder.startsWith('src/')) continue;
    folders.set(folder, [...(folders.get(folder) ?? []), path]);
  }
  return folders;
}
