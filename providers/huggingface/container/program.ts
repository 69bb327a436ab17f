/** The line by which a job says that another one has its attempt. */
export const claimedLine = 'orchestrate: this attempt is claimed already: nothing is trained';

/** The branch whose creation claims an attempt: only one can create it. */
export const claimBranch = 'orchestrate-claim';

/**
 * What runs in the container (Python 3.10 and later): claims the attempt, fetches the rows, runs the engine with both streams in one, finds
 * failures that the engine hides behind a status of 0, and brings the model to its repository in one commit. It ends with 0 only when the model
 * is there.
 */
export const program = String.raw`import glob, json, os, re, shutil, subprocess, sys, tempfile, time

def say(text):
    print('orchestrate: ' + text, flush=True)

def fail(text, status=1):
    say(text)
    sys.exit(status)

job = json.loads(os.environ['ORCHESTRATE_JOB'])
token = os.environ['HF_TOKEN']
output = job['output']['repo']
from huggingface_hub import HfApi, snapshot_download
api = HfApi(token=token)

def claim():
    try:
        api.create_branch(output, branch='orchestrate-claim', repo_type='model')
    except Exception as error:
        status = getattr(getattr(error, 'response', None), 'status_code', None)
        if status == 409:
            fail('this attempt is claimed already: nothing is trained', 3)
        raise

def fetch_rows():
    data = job['dataset']
    files = [name for name in (data['train'], data.get('validation')) if name]
    snapshot_download(data['repo'], repo_type='dataset', revision=data['revision'], local_dir='data', allow_patterns=files, token=token)
    shutil.rmtree('data/.cache', ignore_errors=True)

def to_flags(parameters):
    flags = []
    for name, value in parameters.items():
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        flags += ['--' + name] + [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
    return flags

def to_trl():
    has_validation = bool(job['dataset'].get('validation'))
    model = job['model']
    flags = ['--model_name_or_path', model['base'], '--dataset_name', 'data', '--dataset_train_split', 'train', '--output_dir', 'output']
    if model.get('revision'):
        flags += ['--model_revision', model['revision']]
    if has_validation:
        flags += ['--dataset_test_split', 'validation']
    return ['trl', job['task']] + flags + to_flags(job['parameters'])

def to_autotrain():
    import yaml
    data, model, task = job['dataset'], job['model'], job['task']
    base = model['base']
    if model.get('revision'):
        base = snapshot_download(base, revision=model['revision'], local_dir='base', token=token)
    valid = None
    if task == 'text-classification' and data.get('validation'):
        os.rename('data/' + data['validation'], 'data/valid.jsonl')
        valid = 'valid'
    columns = {'text_column': data['textColumn']}
    if task == 'text-classification':
        columns['target_column'] = data['labelColumn']
    if task == 'dpo':
        columns.update(rejected_text_column='rejected', prompt_text_column='prompt')
    source = {'path': 'data', 'train_split': 'train', 'valid_split': valid, 'column_mapping': columns}
    parameters = dict(job['parameters'])
    source['chat_template'] = parameters.get('chat_template')
    config = {
        'task': task if task == 'text-classification' else 'llm-' + task,
        'base_model': base,
        'project_name': 'output',
        'log': 'tensorboard',
        'backend': 'local',
        'data': source,
        'params': parameters,
        'hub': {'username': output.split('/')[0], 'token': '$' + '{HF_TOKEN}', 'push_to_hub': False},
    }
    with open('config.yml', 'w') as file:
        yaml.safe_dump(config, file)
    return ['autotrain', '--config', 'config.yml']

def to_transformers():
    with open('classifier.py', 'w') as file:
        file.write(sys.argv[1])
    return [sys.executable, '-u', 'classifier.py']

def run(command):
    say('running ' + job['engine'] + ' for ' + job['task'])
    is_caught = False
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    rest = b''
    while True:
        chunk = child.stdout.read1(65536)
        if not chunk:
            break
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        rest = (rest + chunk)[-200000:]
        is_caught = is_caught or b'has failed due to an exception' in rest
    status = child.wait()
    if status != 0:
        fail('the engine ended with status ' + str(status), status if 0 < status < 126 else 1)
    if is_caught:
        fail('the engine ended with status 0 after an exception')

weights = re.compile(r'^(model|adapter_model|pytorch_model)[\w.-]*\.(safetensors|bin)$')

def check():
    files = os.listdir('output') if os.path.isdir('output') else []
    if not any(weights.match(name) for name in files):
        fail('the engine ended with status 0 and left no weights')
    if 'README.md' in files:
        return
    if job['engine'] == 'autotrain':
        fail('the engine ended with status 0 and left no README.md, which it writes last')
    with open('output/README.md', 'w') as file:
        file.write('---\nbase_model: ' + job['model']['base'] + '\ntags:\n- ' + job['engine'] + '\n- ' + job['task'] + '\n---\n\n# ' + output + '\n')

def upload():
    hidden = ['*.pt', '*.pth', '*.bin.tmp', 'training_args.bin', 'training_params.json', 'autotrain-data/*', '.cache/*']
    for folder in glob.glob('output/checkpoint-*'):
        for path in glob.glob(folder + '/*'):
            if os.path.basename(path) != 'trainer_state.json':
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    for tries in range(1, 5):
        try:
            api.upload_folder(folder_path='output', repo_id=output, repo_type='model', ignore_patterns=hidden, commit_message='The tuned model')
            return say('the model is in ' + output)
        except Exception as error:
            say('upload ' + str(tries) + ' of 4 failed: ' + str(error).replace(token, '[secret]'))
            if tries < 4:
                time.sleep(15 * tries)
    fail('the model could not be uploaded')

os.chdir(tempfile.mkdtemp(prefix='orchestrate-'))
claim()
fetch_rows()
run({'trl': to_trl, 'autotrain': to_autotrain, 'transformers': to_transformers}[job['engine']]())
check()
upload()
`;
